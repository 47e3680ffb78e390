package smpp

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// Config shapes a session. Its zero value is usable.
type Config struct {
	Window          int           // requests of ours without an answer at once: 1 to 1000, default 10
	InboundWindow   int           // requests of the peer's without an answer at once, before reading stops; default 1000
	ResponseTimeout time.Duration // default 60 s
	EnquireInterval time.Duration // of silence before we ask; default 30 s, negative: never
	EnquireTimeout  time.Duration // of silence after we asked, before the link counts as dead; default 10 s
	DrainTimeout    time.Duration // how long the peer's unbind waits for open requests; default 5 s
	FirstSequence   uint32        // default 2, since the bind took 1

	// Handler gets the peer's requests one by one. It must not block; the answer may come later from any goroutine.
	// Without one every request is refused as temporary, so that a peer keeps what it wanted to say.
	Handler func(*Request)

	// Late gets an answer that came after its request was given up (time-out or context). The body is the very pointer
	// that was sent. It must not block.
	Late func(Body, Response)

	// Stray gets an answer to no request of ours. It must not block.
	Stray func(Response)
}

// Bounds and defaults of Config.
const (
	MaxWindow            = 1000
	DefaultWindow        = 10
	defaultInboundWindow = 1000
	defaultResponseTime  = 60 * time.Second
	defaultEnquire       = 30 * time.Second
	defaultEnquireTime   = 10 * time.Second
	defaultDrainTime     = 5 * time.Second
	lingerTime           = time.Second
)

func (c Config) withDefaults() Config {
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	c.Window = min(c.Window, MaxWindow)
	c.InboundWindow = orDefault(c.InboundWindow, defaultInboundWindow)
	c.ResponseTimeout = orDefault(c.ResponseTimeout, defaultResponseTime)
	c.EnquireTimeout = orDefault(c.EnquireTimeout, defaultEnquireTime)
	c.DrainTimeout = orDefault(c.DrainTimeout, defaultDrainTime)
	c.FirstSequence = orDefault(c.FirstSequence, 2)
	if c.EnquireInterval == 0 {
		c.EnquireInterval = defaultEnquire
	}
	return c
}

func orDefault[T int | uint32 | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// What a failed request's error tells, by errors.Is. Each error is exactly one of the first two.
var (
	ErrNotWritten = errors.New("smpp: not sent")        // no octet left; it is safe to send again
	ErrUnsure     = errors.New("smpp: outcome unknown") // the peer may have taken it

	ErrTimeout    = errors.New("no answer in time")
	ErrWindowFull = errors.New("window full")
	ErrClosed     = errors.New("session closed")
	ErrUnbound    = errors.New("smpp: the peer unbound")
	ErrLinkDead   = errors.New("smpp: enquire_link not answered")
)

// Stats counts what a session has seen.
type Stats struct {
	Sent, Answered, TimedOut uint64 // requests of ours
	Late                     uint64 // answers to requests that had been given up
	Unknown                  uint64 // answers to no request of ours
	Received                 uint64 // requests of the peer's
	Writes                   uint64 // calls of write; fewer than PDUs under load
}

// Session exchanges PDUs over one bound connection, from either side. All its methods may be called from any goroutine.
type Session struct {
	conn   net.Conn
	config Config
	in     frames
	epoch  time.Time // all instants below are durations since it

	workers sync.WaitGroup
	spent   sync.Pool // of calls made by Do

	wake    chan struct{} // tells the writer that octets wait
	room    chan struct{} // tells the reader that it may go on
	closing chan struct{} // closed when no more requests are taken
	done    chan struct{} // closed when the connection is given up
	idle    chan struct{} // closed when a drain has come to its end

	mu         sync.Mutex
	out, spare []byte // octets that wait, and the writer's other buffer
	handed     uint64 // octets handed to the connection: a request at or past this mark was not written
	corked     bool   // the reader is at work and will wake the writer when it has to wait
	last       bool   // nothing follows what is in out
	pending    map[uint32]*call
	calls      callList // by time of sending
	free       *call
	late       lateSet
	sequence   uint32
	inFlight   int // window slots taken
	waiters    list.List
	leaving    bool // the peer has asked to unbind
	unanswered int  // requests of the peer's without an answer
	paused     bool
	draining   bool
	ended      bool
	cause      error
	lastRead   time.Duration
	asked      time.Duration // when the open enquire_link was sent, or 0
	scratch    MessageResp   // of the answer being appended
	stats      Stats
}

// NewSession takes over a bound connection. Nothing moves until Run.
func NewSession(conn net.Conn, config Config) *Session {
	noDelay(conn)
	config = config.withDefaults()
	s := &Session{
		conn: conn, config: config, in: frames{source: conn}, epoch: time.Now(),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}),
		pending: make(map[uint32]*call, config.Window), late: lateSet{bodies: map[uint32]Body{}},
		sequence: config.FirstSequence - 1,
	}
	s.waiters.Init()
	s.calls.init()
	return s
}

// noDelay keeps Nagle's algorithm off: with a window it meets the peer's delayed acknowledgement and stalls for 40 ms.
func noDelay(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true) // a socket that refuses is broken, and the first read will say so
	}
}

// Run exchanges PDUs until ctx ends or the connection does, and leaves no goroutine. It is nil after Unbind or Close of
// ours; else it tells why: the context's cause, ErrUnbound, ErrLinkDead, *FrameError, or an error of the connection.
// Requests that are still open then end with ErrUnsure or ErrNotWritten. Call it once.
func (s *Session) Run(ctx context.Context) error {
	unhook := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	defer unhook()
	s.workers.Go(s.guarded(s.write))
	s.workers.Go(s.guarded(s.tend))
	s.guarded(s.read)()
	s.workers.Wait()
	s.failAll()
	if errors.Is(s.cause, ErrClosed) {
		return nil
	}
	return s.cause
}

// guarded ends the session, and only it, when a handler or callback panics.
func (s *Session) guarded(work func()) func() {
	return func() {
		defer func() {
			if fault := recover(); fault != nil {
				s.end(fmt.Errorf("smpp: panic in session: %v\n%s", fault, debug.Stack()))
			}
		}()
		work()
	}
}

// Close ends the connection at once.
func (s *Session) Close() { s.end(ErrClosed) }

// Done is closed when the connection has been given up.
func (s *Session) Done() <-chan struct{} { return s.done }

// Stats is a copy of the counters.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// end gives the connection up. The first cause stays. Open requests are settled by Run once its goroutines have ended,
// because only then is it sure what the writer still wrote.
func (s *Session) end(cause error) {
	s.mu.Lock()
	first := !s.ended
	if first {
		s.ended = true
		if s.cause == nil {
			s.cause = cause
		}
		s.refuseLocked()
		close(s.done)
	}
	s.mu.Unlock()
	if first {
		_ = s.conn.Close() // the cause is already known
	}
}

// endAfterFlush lets the writer put out what waits and this last word, and then ends.
func (s *Session) endAfterFlush(lastWord Header, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last || s.ended {
		return
	}
	s.append(PDU{Header: lastWord})
	s.last, s.cause, s.corked = true, cause, false
	s.refuseLocked()
	_ = s.conn.SetDeadline(time.Now().Add(lingerTime)) // a peer that does not read must not hold us
	s.wakeWriter()
}

// hangUp ends after the last word. Where the connection can, only our half is closed and the reader waits for the
// peer's: closing with octets unread would reset it, and the last word might be lost.
func (s *Session) hangUp() {
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		s.end(ErrClosed)
	}
}

// refuseLocked takes no more requests.
func (s *Session) refuseLocked() {
	if !s.draining {
		s.draining = true
		close(s.closing)
	}
}

func (s *Session) now() time.Duration { return time.Since(s.epoch) }
