package whatsapp

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

// client is the library's client with the line it is on.
type client struct {
	*whatsmeow.Client
	line     *line
	gone     chan struct{} // closed when the connection is over
	over     sync.Once
	expected atomic.Bool // that it will be
}

// line makes the requests of one client and remembers its websocket, so that it can be cut from outside. Told to hang up while
// something comes in, the library leaves a goroutine behind for ever; a line that was cut it leaves in good order.
type line struct {
	next http.RoundTripper
	mu   sync.Mutex
	wire io.Closer
}

// RoundTrip makes a request.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wire = resp.Body
	}
	return resp, err
}

// cut tells whether there was a connection to cut.
func (l *line) cut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire == nil {
		return false
	}
	_ = l.wire.Close()
	return true
}

// cutTime is how long the library is given to see that the line is cut.
const cutTime = time.Second

// heard notes what the library tells of the end of a connection: that it is over, or that it is about to be.
func (c *client) heard(e any) {
	switch e.(type) {
	case *events.Disconnected:
		c.over.Do(func() { close(c.gone) })
	case events.PermanentDisconnect, *events.PairSuccess:
		c.expected.Store(true)
	}
}

// dial connects while ctx lives, and not for longer than a connection may take. The connection then lives as long as wire, which unplug
// ends.
func (c *client) dial(ctx, wire context.Context, unplug func()) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	stop := context.AfterFunc(ctx, unplug)
	err := c.ConnectContext(wire)
	if !stop() {
		err = cmp.Or(err, ctx.Err())
	}
	if err != nil {
		return unreachable(err)
	}
	return nil
}

// hangUp ends the connection. The library is told so only once it has seen the end by itself, since it would do both at the same
// time; where it has announced the end, it needs no telling.
func (c *client) hangUp() {
	if !c.line.cut() {
		c.Disconnect()
		return
	}
	if c.expected.Load() {
		return
	}
	select {
	case <-c.gone:
	case <-time.After(cutTime):
	}
	c.Disconnect()
}
