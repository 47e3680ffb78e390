package api

import (
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/link"
	"tidings.dev/internal/rate"
)

//go:embed nowhere.html
var nowhereHTML string

var nowherePage = template.Must(template.New("").Parse(nowhereHTML))

// missLimit is how many codes that are none one address may try: so nobody walks through them, and people who misread one are not
// turned away.
var missLimit = rate.Limit{PerMinute: 60, Burst: 60}

// shortLinks is what answers those who follow short links. Whoever they are, nobody notes.
func shortLinks() Surface {
	walkers := walkers{until: map[int64]time.Time{}}
	return Surface{Name: "links", Prefixes: []string{link.Path}, Fail: failLink, Routes: func(k *Kit) {
		if k.core.Links == nil {
			return
		}
		k.Handle("GET "+link.Path+"{code}", func(w http.ResponseWriter, r *http.Request) error { return k.follow(w, r, &walkers) })
	}}
}

// follow leads on to where a stored link leads, and nowhere else.
func (k *Kit) follow(w http.ResponseWriter, r *http.Request, tried *walkers) error {
	from := place(visitOf(r).remote)
	if wait := tried.wait(from, k.core.Store.Now()); wait > 0 {
		return fault.New(fault.RateLimited, "too many links that are none").After(wait)
	}
	l, err := k.core.Links.Follow(r.Context(), r.PathValue("code"))
	if fault.Is(err, fault.NotHere) {
		return k.missed(err, from, tried)
	}
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet && !ahead(r.Header) {
		k.core.Links.Clicked(l.ID)
	}
	w.Header().Set("Location", inASCII(l.Target))
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusFound)
	return nil
}

// missed counts a code that is none. Whoever tries too many finds none for a while.
func (k *Kit) missed(err error, from int64, tried *walkers) error {
	left, limitErr := k.rates.Take(rate.Name{Of: "links", ID: from}, 1, missLimit)
	if limitErr != nil {
		return limitErr
	}
	if !left.OK {
		tried.stop(from, k.core.Store.Now(), left.Wait)
	}
	return err
}

// ahead reports whether a browser only reads ahead of what somebody may click.
func ahead(h http.Header) bool {
	return strings.HasPrefix(h.Get("Sec-Purpose"), "prefetch") || h.Get("Purpose") == "prefetch"
}

// inASCII is a URL as a header carries it (RFC 9110, 5.5).
func inASCII(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c > ' ' && c < 0x7f {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", target[i])
	}
	return b.String()
}

// walkers are the addresses that have tried too many codes, and until when they find nothing.
type walkers struct {
	mu    sync.Mutex
	until map[int64]time.Time
}

func (s *walkers) wait(from int64, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until[from].Sub(now)
}

func (s *walkers) stop(from int64, now time.Time, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.until, func(_ int64, until time.Time) bool { return !until.After(now) })
	s.until[from] = now.Add(wait)
}

// failLink shows a person that a link leads nowhere, and nothing of what was asked for.
func failLink(_ *Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	for name, value := range maps.All(pageHeaders) {
		w.Header().Set(name, value)
	}
	w.Header()["Cache-Control"] = noStore
	RetryAfter(w.Header(), f)
	w.WriteHeader(Statuses{}.Of(f))
	_ = nowherePage.Execute(w, f.Kind() == fault.NotFound)
}
