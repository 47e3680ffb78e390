package storetest

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Link is a way to a PostgreSQL server that can be cut, as a network can.
type Link struct {
	listener        net.Listener
	network, server string
	url             string
	running         sync.WaitGroup
	mu              sync.Mutex
	cut             bool
	open            map[net.Conn]struct{} // both ends of all that passes
}

// NewLink makes a way to a database. It ends with the test.
func NewLink(t testing.TB, database string) *Link {
	t.Helper()
	to, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal("link to a database:", err)
	}
	l := &Link{open: map[net.Conn]struct{}{}}
	l.network, l.server = pgconn.NetworkAddress(to.Host, to.Port)
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal("link to a database:", err)
	}
	here := url.URL{Scheme: "postgres", User: url.User(to.User), Host: l.listener.Addr().String(), Path: "/" + to.Database, RawQuery: "sslmode=disable"}
	l.url = here.String()
	l.running.Go(l.accept)
	t.Cleanup(func() {
		_ = l.listener.Close()
		l.Cut()
		l.running.Wait()
	})
	return l
}

// URL is the database by this way.
func (l *Link) URL() string { return l.url }

// Cut drops all connections, and lets no new ones pass.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.open {
		_ = c.Close()
	}
}

// Mend lets new connections pass again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		l.running.Go(func() { l.pass(client) })
	}
}

// pass carries bytes both ways until one end closes.
func (l *Link) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	if !l.keep(client) {
		return
	}
	defer l.forget(client)
	server, err := (&net.Dialer{}).DialContext(context.Background(), l.network, l.server)
	if err != nil {
		return // the client sees its connection end
	}
	defer func() { _ = server.Close() }()
	if !l.keep(server) {
		return
	}
	defer l.forget(server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

// keep notes an end, so that it can be cut; false when the link is.
func (l *Link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut {
		l.open[c] = struct{}{}
	}
	return !l.cut
}

func (l *Link) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}
