package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// host serves files as a customer's server does.
type host struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newHost(t *testing.T, answer http.HandlerFunc) *host {
	t.Helper()
	h := &host{}
	h.answer.Store(&answer)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		(*h.answer.Load())(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func serves(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
}

func (k *kit) link(url, name string, kind message.Type) (id message.MediaID) {
	k.t.Helper()
	k.write(func(tx *store.Tx) (err error) {
		id, err = k.Link(tx, alice, url, name, kind)
		return err
	})
	return id
}

// TestAFileWaitsForABucketThatIsAway: that we cannot keep a file says nothing of the file, however long that lasts.
func TestAFileWaitsForABucketThatIsAway(t *testing.T) {
	t.Parallel()
	s, b := newS3(t)
	k := newKit(t, func(c *media.Config) { c.Bucket = b })
	id := k.link(newHost(t, serves(picture(9, 9))).URL+"/a.png", "", message.TypeImage)
	s.mu.Lock()
	s.broken = true
	s.mu.Unlock()
	if _, err := k.Fetch(t.Context(), id); !fault.Is(err, fault.NotReady) || media.Final(err) || k.state(id) != media.Pending {
		t.Errorf("%v, and it is %s", err, k.state(id))
	}
	s.mu.Lock()
	s.broken = false
	s.mu.Unlock()
	if f, err := k.Fetch(t.Context(), id); err != nil || f.State != media.Kept {
		t.Errorf("%+v %v", f, err)
	}
}

func TestAFileIsFetchedOnceHoweverManyWantIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	content := picture(9, 9)
	h := newHost(t, serves(content))
	id := k.link(h.URL+"/a.png?token=geheim", "", message.TypeImage)
	if again := k.link(h.URL+"/a.png?token=geheim", "", message.TypeImage); again != id {
		t.Error("the same address is another file")
	}
	if other := k.link(h.URL+"/a.png", "", message.TypeImage); other == id {
		t.Error("another address is the same file")
	}
	if k.state(id) != media.Pending {
		t.Error(k.state(id))
	}
	if found := storetest.Holding(t, k.store, "geheim"); len(found) > 0 {
		t.Errorf("the address can be read in %v", found)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if f, err := k.Fetch(t.Context(), id); err != nil || f.State != media.Kept || f.Width != 9 || f.MIME != "image/png" {
				t.Errorf("%+v %v", f, err)
			}
		})
	}
	all.Wait()
	if h.asked.Load() != 1 || !bytes.Equal(k.bytes(id), content) || len(k.names()) != 1 {
		t.Errorf("asked %d times, on disk %q", h.asked.Load(), k.names())
	}
	k.store.Shift(11 * time.Minute)
	if late := k.link(h.URL+"/a.png?token=geheim", "", message.TypeImage); late == id {
		t.Error("an address is believed to lead to the same file for ever")
	}
}

func TestWhatCannotBeFetched(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	status := func(n int) http.HandlerFunc { return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) } }
	for _, c := range []struct {
		what   string
		answer http.HandlerFunc
		code   fault.Code // empty: it may come later
	}{
		{"not there", status(404), fault.MediaUnavailable},
		{"forbidden", status(403), fault.MediaUnavailable},
		{"broken", status(500), ""},
		{"busy", status(429), ""},
		{"too large, and says so", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000000000") }, fault.MediaTooLarge},
		{"too large", serves(make([]byte, limits.Image+1)), fault.MediaTooLarge},
		{"a page", serves(samples["text/html"]), fault.UnsupportedMedia},
		{"nothing", serves(nil), fault.EmptyMedia},
		{"in a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, fault.MediaUnavailable},
		{"inward", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}, fault.URLNotAllowed},
		{"a file of the machine", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, fault.URLNotAllowed},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("abc"))
		}, ""},
	} {
		h := newHost(t, c.answer)
		id := k.link(h.URL+"/file", "", message.TypeImage)
		_, err := k.Fetch(t.Context(), id)
		f := fault.Of(err)
		switch {
		case err == nil || media.Final(err) != (c.code != "") || c.code != "" && f.Code != c.code:
			t.Errorf("%s: %v", c.what, err)
		case c.code == "" && k.state(id) != media.Pending:
			t.Errorf("%s: it is %s", c.what, k.state(id))
		case c.code != "" && k.state(id) != media.Failed:
			t.Errorf("%s: it is %s", c.what, k.state(id))
		case strings.Contains(err.Error(), "127.0.0.1"):
			t.Errorf("%s: %v tells of the network", c.what, err)
		}
	}
	if names := k.names(); len(names) > 0 {
		t.Errorf("left on disk: %q", names)
	}
}

func TestAFetchThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	h := newHost(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	id := k.link(h.URL+"/moved", "", message.TypeDocument)
	if _, err := k.Fetch(t.Context(), id); err == nil || media.Final(err) {
		t.Fatal(err)
	}
	good := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/files/Invoice%207.pdf", http.StatusFound)
			return
		}
		_, _ = w.Write(samples["application/pdf"])
	})
	h.answer.Store(&good)
	f, err := k.Fetch(t.Context(), id)
	k.must(err)
	if f.Name != "Invoice 7.pdf" || f.MIME != "application/pdf" {
		t.Errorf("%+v", f)
	}
}

// TestAClosedNetworkIsNotReached: what CheckURL would have refused is refused when it is called, too.
func TestAClosedNetworkIsNotReached(t *testing.T) {
	t.Parallel()
	h := newHost(t, serves(picture(1, 1)))
	k := newKit(t, func(c *media.Config) {
		c.Guard.Close()
		c.Guard = guard.New(guard.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	})
	id := k.link(h.URL, "", message.TypeImage)
	if _, err := k.Fetch(t.Context(), id); !fault.Is(err, fault.URLNotAllowed) || h.asked.Load() != 0 {
		t.Errorf("%v, asked %d times", err, h.asked.Load())
	}
}

func (k *kit) expect(m message.Media, kind message.Type, source string) (id message.MediaID) {
	k.t.Helper()
	k.write(func(tx *store.Tx) (err error) {
		id, err = k.Expect(tx, alice, 77, m, kind, []byte(source))
		return err
	})
	return id
}

func TestWhatCameInIsReceived(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id := k.expect(message.Media{MIME: "image/jpeg", Name: "photo.jpg", Width: 640, Height: 480, Seconds: 3}, message.TypeImage, "geheim")
	if found := storetest.Holding(t, k.store, "geheim"); len(found) > 0 {
		t.Errorf("what it is fetched by can be read in %v", found)
	}
	content := bytes.Repeat([]byte("x"), int(limits.Document)) // over the limit of images, which is for what is sent
	fetch := func(_ context.Context, source []byte, into io.Writer) error {
		if string(source) != "geheim" {
			t.Errorf("fetched by %q", source)
		}
		_, err := into.Write(content)
		return err
	}
	f, err := k.Receive(t.Context(), id, fetch)
	k.must(err)
	twice, err := k.Receive(t.Context(), id, fetch)
	k.must(err)
	k.write(func(tx *store.Tx) error { return k.Settle(tx, f) })
	k.write(func(tx *store.Tx) error { return k.Settle(tx, twice) })
	k.run()
	k.eventually("what was fetched twice is removed", func() bool { return len(k.names()) == 1 })
	got, err := k.Get(t.Context(), alice, id)
	k.must(err)
	if got.State != media.Kept || got.MIME != "text/plain" || got.Name != "photo.jpg" || got.Width != 640 || got.Seconds != 3 || got.Message != 77 {
		t.Errorf("%+v", got)
	}
	if done, err := k.Receive(t.Context(), id, func(context.Context, []byte, io.Writer) error { return errors.New("asked again") }); err != nil || done.State != media.Kept {
		t.Error(err)
	}
}

func TestWhatCameInMayBeGone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	id := k.expect(message.Media{}, message.TypeVideo, "source")
	away := errors.New("the session is lost")
	if _, err := k.Receive(t.Context(), id, func(context.Context, []byte, io.Writer) error { return away }); !errors.Is(err, away) || media.Final(err) {
		t.Error(err)
	}
	tooMuch := func(_ context.Context, _ []byte, into io.Writer) error {
		_, err := into.Write(make([]byte, limits.Most()+1))
		return err
	}
	if _, err := k.Receive(t.Context(), id, tooMuch); !fault.Is(err, fault.MediaTooLarge) || !media.Final(err) {
		t.Error(err)
	}
	k.write(func(tx *store.Tx) error { return k.Settle(tx, media.Lost(id)) })
	if f, err := k.Get(t.Context(), alice, id); err != nil || f.State != media.Gone || f.Reason == "" {
		t.Errorf("%+v %v", f, err)
	}
	if len(k.names()) > 0 {
		t.Error(k.names())
	}
}
