package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tidings.dev/internal/fault"
)

// buckets limit how often each of many may ask. A bucket that is full again is forgotten.
type buckets[K comparable] struct {
	limit rate.Limit // a second; 0: no limit
	burst int

	mu    sync.Mutex
	of    map[K]*rate.Limiter
	swept time.Time
}

const sweepEvery = time.Minute

func newBuckets[K comparable](perMinute, burst int) *buckets[K] {
	return &buckets[K]{limit: rate.Limit(float64(perMinute) / 60), burst: max(burst, 1), of: map[K]*rate.Limiter{}}
}

// share is what is left of a bucket.
type share struct {
	ok        bool
	limit     int
	remaining int
	full      time.Duration // until the bucket is full
	wait      time.Duration // until one more request is allowed
}

// take uses up one request of who asks.
func (b *buckets[K]) take(who K, now time.Time) share {
	if b.limit == 0 {
		return share{ok: true}
	}
	bucket := b.bucket(who, now)
	ok := bucket.AllowN(now, 1)
	tokens := max(bucket.TokensAt(now), 0)
	s := share{ok: ok, limit: b.burst, remaining: int(tokens), full: b.during(float64(b.burst) - tokens)}
	if !ok {
		s.wait = b.during(1 - tokens)
	}
	return s
}

func (b *buckets[K]) during(tokens float64) time.Duration {
	return time.Duration(max(tokens, 0) / float64(b.limit) * float64(time.Second))
}

func (b *buckets[K]) bucket(who K, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) > sweepEvery {
		b.sweep(now)
	}
	bucket, ok := b.of[who]
	if !ok {
		bucket = rate.NewLimiter(b.limit, b.burst)
		b.of[who] = bucket
	}
	return bucket
}

func (b *buckets[K]) sweep(now time.Time) {
	b.swept = now
	for who, bucket := range b.of {
		if bucket.TokensAt(now) >= float64(b.burst) {
			delete(b.of, who)
		}
	}
}

// tell writes what is left into the reply: of the two shares the one that ends first.
func (s share) tell(h http.Header) {
	if s.limit == 0 {
		return
	}
	h["Ratelimit-Limit"] = []string{strconv.Itoa(s.limit)}
	h["Ratelimit-Remaining"] = []string{strconv.Itoa(s.remaining)}
	h["Ratelimit-Reset"] = []string{strconv.Itoa(seconds(s.full))}
}

// refused is the fault of whoever asks too often.
func (s share) refused(of string) *fault.Fault {
	return fault.New(fault.RateLimited, "the %s is over its rate", of).After(s.wait)
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
