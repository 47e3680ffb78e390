package webhook

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// schedule is how long to wait before each try, the first included. A delivery has no more tries than that.
var schedule = [...]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const longestWait = 24 * time.Hour

// after is how long to wait when so many tries have failed; ok is false when there is no try left. An endpoint may ask for
// a longer wait than planned, up to a day.
func after(tries int, retryAfter time.Duration) (wait time.Duration, ok bool) {
	if tries >= len(schedule) {
		return 0, false
	}
	wait = time.Duration(float64(schedule[tries]) * (0.8 + 0.4*rand.Float64()))
	return max(wait, min(retryAfter, longestWait)), true
}

// retryAfterOf reads Retry-After in both its forms (RFC 9110, 10.2.3).
func retryAfterOf(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, int(longestWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
