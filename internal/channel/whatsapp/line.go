package whatsapp

import (
	"io"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
)

// client is the library's client with the line it is on.
type client struct {
	*whatsmeow.Client
	line *line
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

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != nil {
		_ = l.wire.Close()
	}
}

// How long the library is given to see that the line is cut, and how often it is asked.
const (
	cutTime = time.Second
	cutLook = 2 * time.Millisecond
)

// hangUp ends the connection.
func (c *client) hangUp() {
	c.line.cut()
	for end := time.Now().Add(cutTime); c.IsConnected() && time.Now().Before(end); {
		time.Sleep(cutLook)
	}
	c.Disconnect()
}
