package store_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// fate is what becomes of a commit on its way.
type fate int

const (
	passes fate = iota
	answerLost
	commitLost
	commitLate // it arrives a second after its sender saw the connection end
)

var errCut = errors.New("cut")

// tap is a way to a PostgreSQL server that knows where in its protocol a commit stands, so that it can be cut just there.
type tap struct {
	listener        net.Listener
	network, server string
	url             string
	running         sync.WaitGroup
	down            atomic.Bool                 // nothing gets through
	stays           atomic.Bool                 // down, after the next commit that does not pass
	commit          atomic.Pointer[func() fate] // asked at each commit
	left            atomic.Int64                // bytes that pass before everything is cut; negative: all
	mu              sync.Mutex
	open            map[net.Conn]struct{}
}

func newTap(t testing.TB, database string) *tap {
	t.Helper()
	to, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{open: map[net.Conn]struct{}{}}
	p.left.Store(-1)
	p.network, p.server = pgconn.NetworkAddress(to.Host, to.Port)
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	here := url.URL{Scheme: "postgres", User: url.User(to.User), Host: p.listener.Addr().String(), Path: "/" + to.Database, RawQuery: "sslmode=disable"}
	p.url = here.String()
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.pass(client) })
	}
}

// cut drops all connections.
func (p *tap) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *tap) keep(c net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, c)
		_ = c.Close()
	}
}

func (p *tap) pass(client net.Conn) {
	forget := p.keep(client)
	defer forget()
	if p.down.Load() {
		return
	}
	server, err := net.Dial(p.network, p.server)
	if err != nil {
		return
	}
	release := p.keep(server)
	defer release()
	l := &line{tap: p, client: client, server: server, names: map[string]string{}, done: make(chan struct{})}
	var back sync.WaitGroup
	back.Go(l.answers)
	l.asks()
	_ = server.Close()
	back.Wait()
}

// line is one connection through a tap.
type line struct {
	tap            *tap
	client, server net.Conn
	names          map[string]string // of prepared statements
	deaf           atomic.Bool       // answers are dropped
	done           chan struct{}     // the first answer that was dropped is complete
}

// write lets bytes pass, as many as the tap does.
func (l *line) write(to net.Conn, data []byte) error {
	left := l.tap.left.Load()
	if left >= 0 {
		left = l.tap.left.Add(-int64(len(data)))
		if left < 0 {
			_, _ = to.Write(data[:max(0, int64(len(data))+left)])
			l.tap.left.Store(-1)
			l.tap.cut()
			return errCut
		}
	}
	_, err := to.Write(data)
	return err
}

// message reads a message of PostgreSQL's protocol 3; the first of a client has no kind.
func message(from *bufio.Reader, first bool) (data []byte, err error) {
	head := 5
	if first {
		head = 4
	}
	start := make([]byte, head)
	if _, err := io.ReadFull(from, start); err != nil {
		return nil, err
	}
	data = make([]byte, head-4+int(binary.BigEndian.Uint32(start[head-4:])))
	copy(data, start)
	_, err = io.ReadFull(from, data[head:])
	return data, err
}

// asks carries what the client sends.
func (l *line) asks() {
	from := bufio.NewReader(l.client)
	for first := true; ; first = false {
		m, err := message(from, first)
		if err != nil {
			return
		}
		if !first && l.isCommit(m) {
			if f := l.tap.commit.Load(); f != nil {
				if fate := (*f)(); fate != passes {
					l.lose(from, m, fate)
					return
				}
			}
		}
		if l.write(l.server, m) != nil {
			return
		}
	}
}

// isCommit tells whether a message binds the statement that commits.
func (l *line) isCommit(m []byte) bool {
	parts := bytes.SplitN(m[5:], []byte{0}, 3)
	switch m[0] {
	case 'P':
		l.names[string(parts[0])] = string(parts[1])
	case 'B':
		return l.names[string(parts[1])] == "COMMIT"
	}
	return false
}

// lose does what the fate of a commit is, and ends the connection.
func (l *line) lose(from *bufio.Reader, bind []byte, f fate) {
	if l.tap.stays.Load() {
		l.tap.down.Store(true)
		defer l.tap.cut()
	}
	if f == commitLost {
		return
	}
	all := bind
	for all[len(all)-5] != 'S' { // its end is a Sync
		m, err := message(from, false)
		if err != nil {
			return
		}
		all = append(all, m...)
	}
	l.deaf.Store(true)
	if f == commitLate {
		_ = l.client.Close()
		time.Sleep(time.Second)
	}
	if _, err := l.server.Write(all); err != nil {
		return
	}
	<-l.done
}

// answers carries what the server sends.
func (l *line) answers() {
	defer close(l.done)
	defer func() { _ = l.client.Close() }()
	from := bufio.NewReader(l.server)
	for {
		m, err := message(from, false)
		if err != nil {
			return
		}
		if l.deaf.Load() {
			if m[0] == 'Z' {
				return
			}
			continue
		}
		if l.write(l.client, m) != nil {
			return
		}
	}
}
