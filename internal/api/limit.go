package api

import (
	"encoding/binary"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/rate"
)

// tellShare writes what is left of a limit into the reply. A surface or an operation with a limit of its own tells that one alone.
func (k *Kit) tellShare(h http.Header, s rate.Share) {
	if s.Limit == 0 || k.Limited || h["X-Ratelimit-Limit"] != nil {
		return
	}
	h["Ratelimit-Limit"] = []string{strconv.Itoa(s.Limit)}
	h["Ratelimit-Remaining"] = []string{strconv.Itoa(s.Remaining)}
	h["Ratelimit-Reset"] = []string{strconv.Itoa(seconds(s.Full))}
}

// checkLimit uses up one request of the surface's own limit, and tells what is left of it as Laravel's routes do.
func (k *Kit) checkLimit(v *visit, whose rate.Name, perMinute int) error {
	if !k.Limited || perMinute == 0 {
		return nil
	}
	left, err := k.rates.Take(whose, 1, rate.Limit{PerMinute: perMinute, Burst: perMinute})
	if err != nil {
		return err
	}
	h := v.Header()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(left.Limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(left.Remaining))
	if left.OK {
		return nil
	}
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(k.core.Store.Now().Add(left.Wait).Unix()+1, 10))
	return refused(left, "account")
}

// AdmitAnyone lets in whoever asks, within the surface's limit for one address.
func (k *Kit) AdmitAnyone(r *http.Request) error {
	v := visitOf(r)
	return k.checkLimit(v, rate.Name{Of: k.Name + "/address", ID: place(v.remote)}, k.core.Members.Standard().Surface)
}

// AdmitSource uses up one of the requests that one address may make of the operation, whoever asks, and tells what is left.
func (k *Kit) AdmitSource(r *http.Request) error {
	v := visitOf(r)
	if k.opt.PerSource == 0 {
		return nil
	}
	whose := rate.Name{Of: k.Name + " " + v.scope(), ID: place(v.remote)}
	left, err := k.rates.Take(whose, 1, rate.Limit{PerMinute: k.opt.PerSource, Burst: k.opt.PerSource})
	if err != nil {
		return err
	}
	h := v.Header()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(left.Limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(left.Remaining))
	h.Set("Ratelimit-Reset", strconv.Itoa(seconds(left.Full)))
	if !left.OK {
		return refused(left, "address")
	}
	return nil
}

// place is a number for an address; the addresses of one network of IPv6 share it, since one caller has all of them.
func place(a netip.Addr) int64 {
	if a.Is4() {
		four := a.As4()
		return int64(binary.BigEndian.Uint32(four[:]))
	}
	sixteen := a.As16()
	return int64(binary.BigEndian.Uint64(sixteen[:8]))
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
