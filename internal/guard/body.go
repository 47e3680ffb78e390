package guard

import (
	"errors"
	"io"
	"net/http"
)

// ErrTooLong is what reading a response gives that is longer than the cap.
var ErrTooLong = errors.New("the response is too long")

// capped lets no response be read past its cap.
type capped struct {
	base *http.Transport
	cap  int64
}

// RoundTrip sends the request and bounds the response.
func (t capped) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, left: t.cap}
	return resp, nil
}

// CloseIdleConnections drops the connections that are kept for later.
func (t capped) CloseIdleConnections() { t.base.CloseIdleConnections() }

// body is a response body with an end.
type body struct {
	io.ReadCloser
	left int64
}

// Read reads up to the cap. It asks for one byte more, to tell a body that just fits from one that goes on.
func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLong
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLong
	}
	return n, err
}
