package app_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and returns the status of the first answer, and whether the connection is closed after it.
func raw(t *testing.T, address, text string) (status int, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer to %q: %v", text, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if !resp.Close {
		return resp.StatusCode, false
	}
	_, err = in.ReadByte()
	return resp.StatusCode, err != nil
}

// TestRequestsThatTwoServersCouldReadDifferentlyAreRefused: where a proxy and we disagree on where a request ends, one caller's bytes
// become another's request (RFC 9112, 11.2).
func TestRequestsThatTwoServersCouldReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	at := serve(t, nil).Where().API
	const post = "POST /tidings/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer no\r\n"
	const chunk = post + "Transfer-Encoding: chunked\r\n\r\n"
	for name, text := range map[string]string{
		"two lengths":                     post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"a length twice in one":           post + "Content-Length: 2, 3\r\n\r\n{}x",
		"a signed length":                 post + "Content-Length: +2\r\n\r\n{}",
		"chunked and more":                post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"chunked after something":         post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunked twice":                   post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunk size ended by a line feed": chunk + "2\n{}\r\n0\r\n\r\n",
		"chunk size of nothing":           chunk + "x\r\n{}\r\n0\r\n\r\n",
		"NUL in a header":                 post + "X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
		"CR in a header":                  post + "X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\n{}",
		"space before the colon":          post + "Content-Length : 2\r\n\r\n{}",
		"no host":                         "GET / HTTP/1.1\r\n\r\n",
		"two hosts":                       "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"HTTP/2 in plain text":            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status, closed := raw(t, at, text); status < 400 || !closed {
				t.Errorf("%d, closed %v; want a refusal, and closed", status, closed)
			}
		})
	}
}

// TestNothingFollowsARequestInChunks: one with a length beside its chunks may be read by the chunks, as long as the connection is closed
// after it (RFC 9112, 6.3).
func TestNothingFollowsARequestInChunks(t *testing.T) {
	t.Parallel()
	at := serve(t, nil).Where().API
	const both = "POST /tidings/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	if status, closed := raw(t, at, both); status/100 != 4 || !closed {
		t.Errorf("%d, closed %v: what follows was read as a request", status, closed)
	}
}

func TestNoUpgradeToPlainHTTP2(t *testing.T) {
	t.Parallel()
	at := serve(t, nil).Where().API
	const upgrade = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
	if status, _ := raw(t, at, upgrade); status == http.StatusSwitchingProtocols {
		t.Error("the server switched to h2c")
	}
}

// TestMethodsAreWhatTheyAre: a header that names another method must not make a read a deletion.
func TestMethodsAreWhatTheyAre(t *testing.T) {
	t.Parallel()
	at := serve(t, nil).Where().API
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/healthz", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, "DELETE")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", header, resp.StatusCode)
		}
	}
}
