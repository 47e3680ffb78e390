package api

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/rate"
)

// tellShare writes what is left of a limit into the reply.
func tellShare(h http.Header, s rate.Share) {
	if s.Limit == 0 {
		return
	}
	h["Ratelimit-Limit"] = []string{strconv.Itoa(s.Limit)}
	h["Ratelimit-Remaining"] = []string{strconv.Itoa(s.Remaining)}
	h["Ratelimit-Reset"] = []string{strconv.Itoa(seconds(s.Full))}
}

// refused is the fault of whoever asks too often.
func refused(s rate.Share, of string) *fault.Fault {
	return fault.New(fault.RateLimited, "the %s is over its rate", of).After(s.Wait)
}

// seconds rounds up, as Retry-After wants.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// RetryAfter writes when to try again for a fault that passes.
func RetryAfter(h http.Header, f *fault.Fault) {
	passes := f.Kind() == fault.TooMany || f.Kind() == fault.Unavailable
	if f.RetryAfter > 0 || passes {
		h.Set("Retry-After", strconv.Itoa(max(seconds(f.RetryAfter), 1)))
	}
}
