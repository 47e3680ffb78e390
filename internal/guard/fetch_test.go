package guard

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"tidings.dev/internal/fault"
)

// mute is a resolver that answers everything with an error.
type mute struct{ err error }

func (m mute) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return nil, m.err }

// TestAFileIsAskedForAgainWhileNamesCannotBeLookedUp holds that a moment without DNS is no reason to give a file up.
func TestAFileIsAskedForAgainWhileNamesCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		about string
		ctx   context.Context
		err   error
		final bool
	}{
		{"no such name", t.Context(), &net.DNSError{Err: "no such host", Name: "files.example", IsNotFound: true}, true},
		{"no answer", t.Context(), &net.DNSError{Err: "server misbehaving", Name: "files.example", IsTemporary: true}, false},
		{"an answer too late", t.Context(), &net.DNSError{Err: "i/o timeout", Name: "files.example", IsTimeout: true}, false},
		{"the server stops", ended, context.Canceled, false},
	} {
		k := client(t, Options{Resolver: mute{c.err}})
		resp, err := k.Fetch(c.ctx, "https://files.example/a.csv?key=secret")
		if err == nil {
			_ = resp.Body.Close()
			t.Fatalf("%s: there is a file", c.about)
		}
		if (fault.Of(err) != nil) != c.final || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.about, err)
		}
		if err := k.CheckURL(c.ctx, "https://files.example/a.csv"); !fault.Is(err, fault.URLNotAllowed) {
			t.Errorf("%s, whoever gives the address: %v", c.about, err)
		}
	}
}
