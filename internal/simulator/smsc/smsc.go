// Package smsc is a simulated SMSC on loopback: it takes submits, sends receipts and inbound texts until they are
// acknowledged, and lets the last digits of a recipient's number choose what goes wrong.
package smsc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"tidings.dev/internal/smpp"
)

// Config shapes a simulated SMSC. Its zero value listens on a free port of loopback and lets anybody bind.
type Config struct {
	Address  string            // default "127.0.0.1:0"
	SystemID string            // what it calls itself; default "smsc"
	Accounts map[string]string // system_id to password; empty lets anybody in
	MaxBinds int               // of one account at once; 0: any number

	AnswerDelay  time.Duration // before each answer to a submit, as a far network has it
	Rate         int           // submits a second of one account before ESME_RTHROTTLED; 0: any
	Alphabet     smpp.Encoding // what data_coding 0 means here
	Packed       bool          // and whether its septets are packed
	ReceiptDelay time.Duration // from the answer to the receipt; default 100 ms, negative: at once
	Receipts     ReceiptForm
	IDs          IDForm
	Window       int           // deliver_sm without an answer on one bind; default 100
	RetryDelay   time.Duration // before a deliver_sm is tried again after a refusal; default 1 s
	AckTimeout   time.Duration // for the answer to a deliver_sm; default 60 s

	History string // a file that gets one JSON line for each Record, before the ESME hears of it; "": none
	Keep    int    // how many of the newest records stay in memory; negative: all
	Chaos   Chaos

	Log *slog.Logger // default: discarded
}

func (c Config) withDefaults() Config {
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	if c.SystemID == "" {
		c.SystemID = "smsc"
	}
	if c.ReceiptDelay == 0 {
		c.ReceiptDelay = 100 * time.Millisecond
	}
	if c.Window == 0 {
		c.Window = 100
	}
	if c.RetryDelay == 0 {
		c.RetryDelay = time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// bindTime is how long a new connection may take to bind.
const bindTime = 10 * time.Second

// SMSC is a running simulation. What it owes an account outlives the account's connections.
type SMSC struct {
	config   Config
	ids      ids
	dice     dice
	history  *history
	listener net.Listener
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu       sync.Mutex
	accounts map[string]*account
	senders  map[string]*account // who last sent as this address: replies go there
	homeless []*delivery         // inbound texts that no account has claimed yet
	tries    map[string]int      // of a text whose ending depends on it
	ref      uint16              // of inbound texts in parts
}

// New prepares a simulation; Start runs it.
func New(config Config) *SMSC {
	config = config.withDefaults()
	return &SMSC{
		config: config, ids: newIDs(config.IDs), dice: newDice(config.Chaos),
		accounts: map[string]*account{}, senders: map[string]*account{}, tries: map[string]int{},
	}
}

// Start listens, and serves in the background until Close.
func (s *SMSC) Start() error {
	history, err := openHistory(s.config.History, s.config.Keep)
	if err != nil {
		return fmt.Errorf("open history: %w", err)
	}
	listener, err := net.Listen("tcp", s.config.Address)
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), history.close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.history, s.listener, s.stop = history, listener, stop
	s.work.Go(func() { s.accept(ctx) })
	return nil
}

// Addr is where it listens.
func (s *SMSC) Addr() string { return s.listener.Addr().String() }

// Close cuts all connections and waits until nothing runs any more. The history file is complete then.
func (s *SMSC) Close() error {
	s.stop()
	err := s.listener.Close()
	s.work.Wait()
	return errors.Join(err, s.history.close())
}

// History is a copy of the records kept in memory.
func (s *SMSC) History() []Record { return s.history.records() }

// WriteHistory writes the records kept in memory as JSON lines.
func (s *SMSC) WriteHistory(w io.Writer) error { return s.history.writeTo(w) }

// Disconnect cuts all connections of an account, without an unbind.
func (s *SMSC) Disconnect(systemID string) { s.account(systemID).disconnect() }

// Cut cuts one connection of an account, without an unbind: the n-th of those that are bound, in the order they came in.
// It tells whether there was one.
func (s *SMSC) Cut(systemID string, n int) bool { return s.account(systemID).cut(n) }

// Binds is how many connections of an account are bound.
func (s *SMSC) Binds(systemID string) int { return s.account(systemID).bound() }

// Pending is how many receipts and inbound texts are not acknowledged yet, those still to become due included.
func (s *SMSC) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := len(s.homeless)
	for _, a := range s.accounts {
		owed += a.pending()
	}
	return owed
}

func (s *SMSC) account(systemID string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[systemID]
	if a == nil {
		a = &account{systemID: systemID, smsc: s}
		s.accounts[systemID] = a
	}
	return a
}

func (s *SMSC) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // only Close ends the listener
		}
		s.work.Go(func() { s.serve(ctx, conn) })
	}
}

// serve is one connection from bind to end.
func (s *SMSC) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	bindCtx, cancel := context.WithTimeout(ctx, bindTime)
	defer cancel()
	var place *account
	bound, err := smpp.AcceptBind(bindCtx, conn, s.config.SystemID, func(b smpp.Bound) smpp.Status {
		status := s.checkBind(b)
		if status == smpp.StatusOK {
			place = s.account(b.SystemID)
			if !place.take(s.config.MaxBinds) {
				place, status = nil, smpp.StatusAlreadyBound
			}
		}
		return status
	})
	if place != nil {
		defer place.giveBack()
	}
	if err != nil {
		s.config.Log.Info("no bind", "error", err)
		return
	}
	a := s.account(bound.SystemID)
	s.history.add(Record{Op: OpBind, SystemID: a.systemID}, nil)
	b := newBind(a, bound.Mode, conn)
	a.join(b)
	s.giveHomeless(b)
	err = b.session.Run(ctx)
	a.leave(b)
	s.history.add(Record{Op: endOf(err), SystemID: a.systemID}, nil)
	s.config.Log.Info("bind ended", "system_id", a.systemID, "error", err)
}

func endOf(err error) Op {
	if errors.Is(err, smpp.ErrUnbound) {
		return OpUnbind
	}
	return OpDrop
}

func (s *SMSC) checkBind(b smpp.Bound) smpp.Status {
	if len(s.config.Accounts) > 0 {
		password, known := s.config.Accounts[b.SystemID]
		switch {
		case !known:
			return smpp.StatusInvalidSystemID
		case password != b.Password:
			return smpp.StatusInvalidPassword
		}
	}
	return smpp.StatusOK
}
