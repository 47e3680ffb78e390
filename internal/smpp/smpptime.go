package smpp

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrTime says that a field does not follow the time format of SMPP 3.4, 7.1.1.
var ErrTime = errors.New("smpp: bad time")

const (
	timeLayout  = "060102150405"
	quarterHour = 15 * time.Minute
)

// FormatTime writes an absolute time, YYMMDDhhmmsstnnp, keeping the offset of its zone to the quarter of an hour.
func FormatTime(t time.Time) string {
	_, seconds := t.Zone()
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	quarters := seconds / int(quarterHour/time.Second)
	if seconds%int(quarterHour/time.Second) != 0 || quarters > 48 {
		return FormatTime(t.UTC())
	}
	return fmt.Sprintf("%s%d%02d%c", t.Format(timeLayout), t.Nanosecond()/int(100*time.Millisecond), quarters, sign)
}

// FormatPeriod writes a relative time, YYMMDDhhmmss000R, in days where years and months would be of unsure length: a
// month counts 30 days and is used only past 31 days. Less than a second becomes one second.
func FormatPeriod(d time.Duration) string {
	seconds := max(1, int64((d+time.Second-1)/time.Second))
	days, rest := seconds/86400, seconds%86400
	months := int64(0)
	if days > 31 {
		months, days = days/30, days%30
	}
	return fmt.Sprintf("%02d%02d%02d%02d%02d%02d000R", months/12, months%12, days, rest/3600, rest/60%60, rest%60)
}

// ParseTime reads an absolute or a relative time; the latter counts from now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if len(s) != maxTime {
		return time.Time{}, fmt.Errorf("%w: %d characters, not %d", ErrTime, len(s), maxTime)
	}
	if !isDigits(s[:15]) {
		return time.Time{}, fmt.Errorf("%w: not digits", ErrTime)
	}
	switch s[15] {
	case 'R':
		return parsePeriod(s, now), nil
	case '+', '-':
		return parseAbsolute(s)
	}
	return time.Time{}, fmt.Errorf("%w: ends in %q, not + - R", ErrTime, s[15])
}

func parsePeriod(s string, now time.Time) time.Time {
	n := func(at int) int { return number(s[at : at+2]) }
	clock := time.Duration(n(6))*time.Hour + time.Duration(n(8))*time.Minute + time.Duration(n(10))*time.Second
	return now.AddDate(n(0), n(2), n(4)).Add(clock)
}

func parseAbsolute(s string) (time.Time, error) {
	offset := number(s[13:15]) * int(quarterHour/time.Second)
	if s[15] == '-' {
		offset = -offset
	}
	if offset > 12*3600+7200 || offset < -12*3600 {
		return time.Time{}, fmt.Errorf("%w: offset %s", ErrTime, s[13:])
	}
	t, err := time.ParseInLocation(timeLayout, s[:12], time.FixedZone("", offset))
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrTime, err)
	}
	return t.Add(time.Duration(s[12]-'0') * 100 * time.Millisecond), nil
}

// number reads digits that have been checked.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
