package guard

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver that knows a few names.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	found, ok := n[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	ips := make([]netip.Addr, len(found))
	for i, text := range found {
		ips[i] = netip.MustParseAddr(text)
	}
	return ips, nil
}

const publicIP = "93.184.215.14"

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// loopback lets the client reach a test's server.
func loopback() Options {
	return Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AnyPrivatePort: true}
}

func get(t *testing.T, c *Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.Do(req)
}

// special are addresses that nobody may make us call (S29, S30).
var special = []string{
	"127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
	"169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.255", "198.18.0.1", "198.19.255.255", "192.0.0.1", "192.0.0.192",
	"0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.255", "224.0.0.1", "239.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1",
	"192.88.99.1", "168.63.129.16",
	"::1", "::", "fe80::1", "febf::1", "fc00::1", "fdff::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
	"::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:a9fe:a9fe::1", "2002:7f00:1::",
	"2001:0:a9fe:a9fe::", "2001::1", "::127.0.0.1", "::a9fe:a9fe", "ff02::1", "fec0::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1",
}

func TestSpecialAddressesAreBlocked(t *testing.T) {
	c := client(t, Options{})
	for _, ip := range special {
		host := ip
		if strings.Contains(ip, ":") {
			host = "[" + ip + "]"
		}
		if err := c.CheckURL(t.Context(), "http://"+host+"/"); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("saving %s: %v", ip, err)
		}
		resp, err := get(t, c, "http://"+host+"/")
		if err == nil {
			resp.Body.Close()
		}
		if !isBlocked(err) {
			t.Errorf("calling %s: %v", ip, err)
		}
		if err := c.rules.control("tcp6", netip.AddrPortFrom(netip.MustParseAddr(ip), 80).String(), nil); !isBlocked(err) {
			t.Errorf("dialling %s: %v", ip, err)
		}
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	c := client(t, Options{Resolver: names{"example.com": {publicIP, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"}}})
	for _, url := range []string{
		"https://example.com/hook?x=1", "http://example.com", "https://example.com:8443/", "http://" + publicIP + "/",
		"https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "https://172.15.0.1", "https://172.32.0.1", "https://100.63.0.1", "https://11.0.0.1",
	} {
		if err := c.CheckURL(t.Context(), url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestOddURLsAreRefused is S31 and S35 to S38: what readers of URLs read differently, and what is no business of ours.
func TestOddURLsAreRefused(t *testing.T) {
	c := client(t, Options{Resolver: names{
		"localhost": {"127.0.0.1"}, "localhost.": {"127.0.0.1"}, "127.0.0.1.nip.io": {"127.0.0.1"}, "example.com": {publicIP},
		"metadata.google.internal": {"169.254.169.254"}, "mixed.example": {publicIP, "127.0.0.1"}, "empty.example": {},
		"2130706433": {"127.0.0.1"}, "127.1": {"127.0.0.1"}, "0177.0.0.1": {"127.0.0.1"}, "0x7f000001": {"127.0.0.1"},
	}})
	for _, url := range []string{
		"", "example.com", "/hook", "//example.com", "http://", "http:///x", "http:example.com", "https://example.com:0", "https://example.com:99999",
		"http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0x7f.1/", "http://127.0.0.1./",
		"http://１２７.0.0.1/", "http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://0X7F000001/", "http://127.0.0.0x1",
		"http://good@169.254.169.254/", "http://user:pass@example.com/", "https://example.com#@127.0.0.1/", "https://example.com/#x",
		"https://example.com\\@127.0.0.1/", "https://example.com/\r\nX: y", "https://example.com/a b", "https://example.com/\x00", "https://ex\tample.com/",
		"file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "unix:///run/x.sock", "javascript:alert(1)", "ws://example.com/",
		"http://example.com:22/", "http://example.com:25/", "http://example.com:5432/", "http://example.com:8080/", "http://example.com:8081/",
		"http://localhost/", "http://localhost./", "http://127.0.0.1.nip.io/", "http://metadata.google.internal/", "http://mixed.example/",
		"http://empty.example/", "http://no.such.example/", "http://[fe80::1%25eth0]/", "http://[::1]/", "https://bücher.example/",
		"https://example.com/" + strings.Repeat("x", maxURL),
	} {
		if err := c.CheckURL(t.Context(), url); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("saving %.60q: %v", url, err)
		}
		if resp, err := get(t, c, url); err == nil {
			resp.Body.Close()
			t.Errorf("called %.60q", url)
		}
	}
}

// TestRealResolver is S31 and S38 with the resolver of this machine.
func TestRealResolver(t *testing.T) {
	c := client(t, Options{})
	for _, url := range []string{"http://localhost/", "http://localhost./", "http://2130706433/", "http://127.1/", "http://１２７.0.0.1/"} {
		if err := c.CheckURL(t.Context(), url); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("saving %s: %v", url, err)
		}
		if resp, err := get(t, c, url); err == nil {
			resp.Body.Close()
			t.Errorf("called %s", url)
		}
		if resp, err := c.HTTP().Get(url); err == nil { // without the look at the form of the URL
			resp.Body.Close()
			t.Errorf("a library called %s", url)
		}
	}
}

// turncoat is a name that is public when it is saved and leads inside ever after (S33).
type turncoat struct{ asked atomic.Int64 }

func (r *turncoat) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if r.asked.Add(1) == 1 {
		return []netip.Addr{netip.MustParseAddr(publicIP)}, nil
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestRebindingReachesNothing(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	c := client(t, Options{Resolver: &turncoat{}, Ports: []int{port}})
	url := fmt.Sprintf("http://rebind.example:%d/", port)
	if err := c.CheckURL(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if resp, err := get(t, c, url); !isBlocked(err) {
			resp.Body.Close()
			t.Fatalf("called: %v", err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections reached the inside", n)
	}
}

func TestOneBadAnswerBlocksTheNameWhenCalled(t *testing.T) {
	c := client(t, Options{Resolver: names{"mixed.example": {publicIP, "10.0.0.1"}}})
	if resp, err := get(t, c, "http://mixed.example/"); !isBlocked(err) {
		resp.Body.Close()
		t.Errorf("called: %v", err)
	}
}

func TestOpenedNetworkAndNothingElse(t *testing.T) {
	c := client(t, Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24"), netip.MustParsePrefix("fd12::/16")}})
	for url, allowed := range map[string]bool{
		"http://192.168.7.9/": true, "http://192.168.8.9/": false, "http://192.168.7.9:8080/": false, "http://10.0.0.1/": false,
		"http://[fd12::1]/": true, "http://[fd13::1]/": false, "http://[::ffff:192.168.7.9]/": true, "http://127.0.0.1/": false,
	} {
		if err := c.CheckURL(t.Context(), url); (err == nil) != allowed {
			t.Errorf("%s: %v, want allowed %v", url, err, allowed)
		}
	}
}

func TestMetadataIsNeverOpened(t *testing.T) {
	c := client(t, Options{AnyPrivatePort: true, AllowPrivate: []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("169.254.169.254/32"), netip.MustParsePrefix("fd00:ec2::254/128"),
	}})
	for _, host := range []string{
		"169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "[fe80::a9fe:a9fe]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
		"[::a9fe:a9fe]", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	} {
		if err := c.CheckURL(t.Context(), "http://"+host+"/"); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := c.CheckURL(t.Context(), "http://10.1.2.3:9999/"); err != nil {
		t.Errorf("an opened address: %v", err)
	}
}

// TestRedirectsAreAnswers is S34.
func TestRedirectsAreAnswers(t *testing.T) {
	var inside atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer target.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &code)
		http.Redirect(w, r, target.URL, code)
	}))
	defer server.Close()
	c := client(t, loopback())
	for _, code := range []int{301, 302, 303, 307, 308} {
		resp, err := get(t, c, fmt.Sprintf("%s/%d", server.URL, code))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != code {
			t.Errorf("%d became %d", code, resp.StatusCode)
		}
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestEndlessBodyIsCut is S39: a stream of 10 GiB.
func TestEndlessBodyIsCut(t *testing.T) {
	var sent atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 10 << 10 {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	c := client(t, loopback())
	resp, err := get(t, c, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if n != defaultBody || !errors.Is(err, ErrTooLong) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if sent.Load() > 64<<20 {
		t.Errorf("%d bytes were sent", sent.Load())
	}
}

// TestSlowBodyIsCut is S39: a byte now and then.
func TestSlowBodyIsCut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}))
	defer server.Close()
	o := loopback()
	o.Timeout = 200 * time.Millisecond
	c := client(t, o)
	began := time.Now()
	resp, err := get(t, c, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if took := time.Since(began); took > 3*time.Second || Explain(err) != "no answer in time" {
		t.Errorf("ended after %v with %v: %s", took, err, Explain(err))
	}
}

// TestCompressedBodyStaysSmall is S39: a bomb is not unpacked.
func TestCompressedBodyStaysSmall(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 16<<20))
	_ = z.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("asked for compression")
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer server.Close()
	resp, err := get(t, client(t, loopback()), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(bomb.Len()) {
		t.Errorf("read %d of %d bytes, %v", n, bomb.Len(), err)
	}
}

func TestBodyThatJustFits(t *testing.T) {
	for size, want := range map[int]error{100: nil, 101: ErrTooLong} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, size))
		}))
		o := loopback()
		o.MaxBody = 100
		resp, err := get(t, client(t, o), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(text) != 100 || !errors.Is(err, want) {
			t.Errorf("%d bytes: read %d, %v", size, len(text), err)
		}
		server.Close()
	}
}

// TestErrorsTellNothing is S40.
func TestErrorsTellNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.internal ESMTP Postfix\r\n"))
			_ = conn.Close()
		}
	}()
	defer listener.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	tls.Config.ErrorLog = nil
	defer tls.Close()
	for url, want := range map[string]string{
		"http://10.1.2.3/":                          "the address may not be called",
		"http://no.such.example/":                   "the host cannot be found",
		"ftp://example.com/":                        "the address may not be called",
		"http://" + listener.Addr().String() + "/":  "the connection broke",
		"https://" + listener.Addr().String() + "/": "the host does not speak TLS",
		closed.URL: "the connection was refused",
		tls.URL:    "the certificate cannot be trusted",
		"http://" + tls.Listener.Addr().String() + "": "",
	} {
		o := loopback()
		o.Resolver = names{}
		c := client(t, o)
		resp, err := get(t, c, url)
		if err == nil {
			resp.Body.Close()
		}
		text := Explain(err)
		if text != want {
			t.Errorf("%s: %q, want %q (%v)", url, text, want, err)
		}
		for _, leak := range []string{"10.1", "127.0", "Postfix", "220", "dial"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s: %q tells %q", url, text, leak)
			}
		}
	}
	err = client(t, Options{Resolver: names{"inside.example": {"10.1.2.3"}}}).CheckURL(t.Context(), "http://inside.example/")
	if err == nil || strings.Contains(err.Error(), "10.") {
		t.Errorf("saving: %v", err)
	}
}

// TestNoProxy is S41. It runs as its own process would: the variables are read at the first request of the default transport.
func TestNoProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	c := client(t, Options{Resolver: names{"example.com": {"10.0.0.1"}}})
	if resp, err := get(t, c, "http://example.com/"); !isBlocked(err) {
		resp.Body.Close()
		t.Errorf("called: %v", err)
	}
	if base := c.http.Transport.(capped).base; base.Proxy != nil || asked.Load() != 0 {
		t.Errorf("the proxy was asked %d times", asked.Load())
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := client(t, loopback())
	for range 50 {
		resp, err := get(t, c, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 50 requests", n)
	}
}

func TestSecondAddressIsTried(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	o := loopback()
	o.Resolver = names{"two.example": {"127.0.0.2", "127.0.0.1"}}
	resp, err := get(t, client(t, o), fmt.Sprintf("http://two.example:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestPostIsNotRepeated guards against net/http's own replays: a connection that breaks under a POST gives an error.
func TestPostIsNotRepeated(t *testing.T) {
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if posts.Add(1) > 1 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}
	}))
	defer server.Close()
	c := client(t, loopback())
	for i := range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != (i == 0) {
			t.Errorf("post %d: %v", i+1, err)
		}
	}
	if n := posts.Load(); n != 2 {
		t.Errorf("%d posts for 2", n)
	}
}
