package whatsapp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/whatsapp"
	"tidings.dev/internal/message"
)

// wires is a network whose requests a test can have fail.
type wires struct {
	http.RoundTripper
	busy    atomic.Bool  // media hosts have no time
	deaf    atomic.Bool  // nobody answers who wants to connect
	endless atomic.Int64 // transfers of files that nothing would have ended
}

func (w *wires) RoundTrip(req *http.Request) (*http.Response, error) {
	down, up := strings.HasPrefix(req.URL.Path, "/v/"), strings.HasPrefix(req.URL.Path, "/mms/")
	if _, ends := req.Context().Deadline(); (down || up) && !ends {
		w.endless.Add(1)
	}
	switch {
	case down && w.busy.Load():
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"0"}}, Body: http.NoBody, Request: req}, nil
	case w.deaf.Load():
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return w.RoundTripper.RoundTrip(req)
}

// wired makes a channel whose requests go by wires.
func wired(t *testing.T) (*device, *wires) {
	d, w := newDevice(t, `{}`), &wires{RoundTripper: network.Client().Transport}
	d.driver = whatsapp.New(whatsapp.Options{HTTP: &http.Client{Transport: w}})
	return d, w
}

// TestAFileOfABusyHostComesLater: that its host has no time for the library's few tries makes no file one that is gone.
func TestAFileOfABusyHostComesLater(t *testing.T) {
	t.Parallel()
	d := linked(t, `{}`)
	other, host := wired(t)
	other.pair()
	other.open()
	d.files[7] = []byte("a file")
	d.mustSend(phoneOf(other.phone.Number()), message.Content{Type: message.TypeDocument, Media: &message.Media{ID: 7, MIME: "text/plain", Name: "a.txt"}})
	source := other.inbounds(1)[0].Fetch
	var fetched bytes.Buffer
	host.busy.Store(true)
	mustFail(t, other.session.(channel.Fetcher).Fetch(t.Context(), source, &fetched), channel.Retry, "media_unreachable")
	host.busy.Store(false)
	if err := other.session.(channel.Fetcher).Fetch(t.Context(), source, &fetched); err != nil || fetched.String() != "a file" {
		t.Errorf("%q %v", fetched.String(), err)
	}
}

// TestNoTransferOfAFileIsEndless: a media host that says nothing must not keep a device from sending.
func TestNoTransferOfAFileIsEndless(t *testing.T) {
	t.Parallel()
	d, host := wired(t)
	d.pair()
	d.open()
	d.files[7] = []byte("a file")
	d.mustSend(phoneOf(d.phone.Number()), message.Content{Type: message.TypeDocument, Media: &message.Media{ID: 7, MIME: "text/plain", Name: "a.txt"}})
	other := linked(t, `{}`)
	other.files[7] = d.files[7]
	other.mustSend(phoneOf(d.phone.Number()), message.Content{Type: message.TypeDocument, Media: &message.Media{ID: 7, MIME: "text/plain", Name: "a.txt"}})
	if err := d.session.(channel.Fetcher).Fetch(t.Context(), d.inbounds(1)[0].Fetch, io.Discard); err != nil {
		t.Error(err)
	}
	if n := host.endless.Load(); n != 0 {
		t.Errorf("%d transfers would never have ended", n)
	}
}

// TestANetworkThatDoesNotAnswerIsGivenUp: whoever waits for a connection, or a pairing, can stop.
func TestANetworkThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	d, host := wired(t)
	d.pair()
	host.deaf.Store(true)
	for name, try := range map[string]func(ctx context.Context) error{
		"open": func(ctx context.Context) error {
			_, err := d.driver.Open(ctx, d.env())
			return err
		},
		"pair": func(ctx context.Context) error {
			_, err := d.driver.Link.Pair(ctx, d.env(), "", func(channel.Code) {})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		over := make(chan error, 1)
		go func() { over <- try(ctx) }()
		select {
		case err := <-over:
			mustFail(t, err, channel.Retry, "unreachable")
		case <-time.After(patience):
			t.Errorf("%s goes on", name)
		}
		cancel()
	}
}
