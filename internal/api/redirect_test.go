package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// linked makes a link to a target, and returns its path.
func linked(t *testing.T, w *apitest.World, target string) (l link.Link, path string) {
	t.Helper()
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Links.Make(tx, []link.Wish{{Account: w.Alice.ID, Message: message.ID(tx.NewID()), Target: target, Since: tx.Now()}})
		return err
	})
	return newest(t, w)
}

func newest(t *testing.T, w *apitest.World) (l link.Link, path string) {
	t.Helper()
	list, err := w.Core.Links.Of(t.Context(), w.Alice.ID, 0, 0, 1)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0], link.Path + list[0].Code
}

func counted(w *apitest.World) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	w.Gateway.CountClicks(over)
}

func TestAShortLinkLeadsOn(t *testing.T) {
	t.Parallel()
	w := apitest.New(t, api.Options{})
	for target, want := range map[string]string{
		"https://a.example/x?y=1#z":   "https://a.example/x?y=1#z",
		"http://a.example/Straße/%20": "http://a.example/Stra%C3%9Fe/%20",
		"https://a.example/'(;)":      "https://a.example/'(;)",
	} {
		_, path := linked(t, w, target)
		r := w.Do("", "GET", path, "")
		if h := r.Header(); r.Code != 302 || h.Get("Location") != want || h.Get("Cache-Control") != "no-store" || r.Body.Len() > 0 {
			t.Errorf("%d to %q, %v, %s", r.Code, h.Get("Location"), h, r.Body)
		}
	}
}

func TestClicksAreOfPeople(t *testing.T) {
	t.Parallel()
	w := apitest.New(t, api.Options{})
	_, path := linked(t, w, "https://a.example")
	for range 3 {
		w.Do("", "GET", path, "")
	}
	if r := w.Do("", "HEAD", path, ""); r.Code != 302 || r.Header().Get("Location") != "https://a.example" {
		t.Errorf("HEAD: %d", r.Code)
	}
	w.Do("", "GET", path, "", "Sec-Purpose", "prefetch;prerender")
	w.Do("", "GET", path, "", "Purpose", "prefetch")
	counted(w)
	if l, _ := newest(t, w); l.Clicks != 3 || l.First.IsZero() || l.Last.Before(l.First) {
		t.Errorf("%+v", l)
	}
}

func TestALinkThatIsNoneTellsNothing(t *testing.T) {
	t.Parallel()
	w := apitest.New(t, api.Options{})
	linked(t, w, "https://secret.example")
	for _, path := range []string{"/l/", "/l/xxxx", "/l/aaaaaaaa", "/l/xxxxxxxy/more", "/l/%3Cscript%3E", "/l/https:%2F%2Fevil.example", "/l/aaaaaaaa?to=https://evil.example"} {
		r := w.Do("", "GET", path, "")
		text := r.Body.String()
		if r.Code != 404 || !strings.Contains(text, "leads nowhere") || strings.Contains(text, "example") || strings.Contains(text, "script") || r.Header().Get("Location") != "" || r.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", path, r.Code, r.Header(), text)
		}
	}
	if r := w.Do("", "POST", "/l/xxxxxxxy", ""); r.Code != 405 || r.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", r.Code)
	}
}

// Whoever walks through codes finds nothing for a while, not even what there is; others do.
func TestCodesCannotBeWalkedThrough(t *testing.T) {
	t.Parallel()
	w := apitest.New(t, api.Options{})
	_, path := linked(t, w, "https://a.example")
	misses := 0
	for range 100 {
		if r := w.Do("", "GET", "/l/aaaaaaaa", ""); r.Code == http.StatusNotFound {
			misses++
		} else if r.Code != http.StatusTooManyRequests || r.Header().Get("Retry-After") == "" {
			t.Fatal(r.Code)
		}
	}
	if misses < 60 || misses > 70 {
		t.Errorf("%d codes could be tried", misses)
	}
	w.Shift(time.Minute)
	for w.Do("", "GET", "/l/aaaaaaaa", "").Code == http.StatusNotFound {
	}
	if r := w.Do("", "GET", path, ""); r.Code != http.StatusTooManyRequests {
		t.Errorf("the walker finds a link: %d", r.Code)
	}
	w.Shift(time.Minute)
	if r := w.Do("", "GET", path, ""); r.Code != http.StatusFound {
		t.Errorf("a minute later: %d", r.Code)
	}
}
