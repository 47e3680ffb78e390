package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// look is how often files are looked at.
const look = 5 * time.Second

// Files is a certificate in two PEM files, the chain and the key, as most programs that renew certificates leave them.
type Files struct {
	chain, key string
	log        *slog.Logger
	current    atomic.Pointer[tls.Certificate]
	mu         sync.Mutex // one look at a time
	seen       [2]stamp
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	changed time.Time
	size    int64
}

// OpenFiles reads the certificate of the two files.
func OpenFiles(chain, key string, log *slog.Logger) (*Files, error) {
	f := &Files{chain: chain, key: key, log: log}
	f.seen = f.stamps()
	c, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if c.Leaf.NotAfter.Before(time.Now()) {
		log.Warn("the certificate has expired", "file", chain, "expired", c.Leaf.NotAfter)
	}
	f.current.Store(&c)
	return f, nil
}

// TLS encrypts with the certificate that is current when a connection comes.
func (f *Files) TLS(least uint16) *tls.Config {
	return settings(least, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// Run looks at the files until ctx ends.
func (f *Files) Run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.Look()
		}
	}
}

// Look reads the files again if they changed. What cannot be used is said once, and the certificate of before stays.
func (f *Files) Look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.stamps()
	if now == f.seen {
		return
	}
	f.seen = now
	c, err := tls.LoadX509KeyPair(f.chain, f.key)
	if err == nil && c.Leaf.NotAfter.Before(time.Now()) {
		err = errors.New("it has expired")
	}
	if err != nil {
		f.log.Error("cannot use the new certificate, the one of before stays", "file", f.chain, "err", err)
		return
	}
	f.current.Store(&c)
	f.log.Info("certificate renewed", "file", f.chain, "expires", c.Leaf.NotAfter)
}

// stamps are zero for a file that is not there, which then changes when it comes back.
func (f *Files) stamps() (s [2]stamp) {
	for i, path := range [2]string{f.chain, f.key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// Expires is when the certificate in use ends.
func (f *Files) Expires() time.Time { return f.current.Load().Leaf.NotAfter }

// Plain leaves plain HTTP as it is: nobody asks anything of certificates from files.
func (f *Files) Plain(rest http.Handler) http.Handler { return rest }
