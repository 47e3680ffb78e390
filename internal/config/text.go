package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/telemetry"
)

// Size is a number of bytes, written as 1048576, 1024KiB or 1MiB.
type Size int64

// The units of Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var units = []struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}, {"", 1}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(string(text), unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > int64(1<<62)/int64(unit.size) {
			break
		}
		*s = Size(n) * unit.size
		return nil
	}
	return errors.New("is not a size such as 1MiB or 64KiB")
}

// String writes the size in its largest whole unit.
func (s Size) String() string {
	for _, unit := range units {
		if s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return "0B"
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// parseDuration reads what time.ParseDuration does, and days before that: 30d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	wrong := errors.New("is not a duration such as 30d, 48h or 15s")
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, err := strconv.ParseInt(days, 10, 32)
	if err != nil || n < 0 || n > 36500 {
		return 0, wrong
	}
	total := time.Duration(n) * day
	if rest == "" {
		return total, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, wrong
	}
	return total + more, nil
}

// formatDuration writes a duration the short way: 30d, not 720h0m0s.
func formatDuration(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	for _, zero := range []struct{ unit, tail string }{{"m", "0s"}, {"h", "0m"}} {
		if strings.HasSuffix(text, zero.unit+zero.tail) {
			text = strings.TrimSuffix(text, zero.tail)
		}
	}
	return text
}

// parse reads a text into a setting. The error continues a sentence that begins with the text.
func parse(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case *string:
		*target = text
	case *telemetry.Secret:
		*target = telemetry.Secret(text)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("is not a whole number")
		}
		*target = n
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		*target = d
	case encoding.TextUnmarshaler:
		return parseText(v, target, text)
	default:
		if v.Kind() == reflect.Slice {
			return parseList(v, text)
		}
		panic(fmt.Sprintf("config: no way to read a %s", v.Type()))
	}
	return nil
}

// examples says what a text of a type of someone else's looks like; their own errors are for programmers.
var examples = map[string]string{
	"netip.Prefix": "is not a network such as 10.0.0.0/8",
	"slog.Level":   "is not debug, info, warn or error",
}

func parseText(v reflect.Value, target encoding.TextUnmarshaler, text string) error {
	err := target.UnmarshalText([]byte(text))
	if example := examples[v.Type().String()]; err != nil && example != "" {
		return errors.New(example)
	}
	return err
}

// parseList reads items with commas between them. Nothing is a list of none.
func parseList(v reflect.Value, text string) error {
	list := reflect.Zero(v.Type())
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		one := reflect.New(v.Type().Elem()).Elem()
		if err := parse(one, item); err != nil {
			return fmt.Errorf("has %q, which %w", item, err)
		}
		list = reflect.Append(list, one)
	}
	v.Set(list)
	return nil
}

// render writes a setting as TOML, in a form that parse reads too once the quotes are off.
func render(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case int:
		return strconv.Itoa(value)
	case string:
		return strconv.Quote(value)
	case time.Duration:
		return strconv.Quote(formatDuration(value))
	case slog.Level:
		return strconv.Quote(strings.ToLower(value.String()))
	case fmt.Stringer:
		return strconv.Quote(value.String())
	}
	items := make([]string, v.Len())
	for i := range items {
		items[i] = render(v.Index(i))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
