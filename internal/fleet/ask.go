package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// askTime is how long whoever asks a session waits for its answer.
const askTime = 5 * time.Second

// askLook is how often an answer is looked for whose call did not come.
const askLook = 500 * time.Millisecond

// post is where this server looks after a channel: only here its session can be asked.
type post struct {
	again   chan struct{}      // a token: the session is to be opened at once
	session *guarded           // nil: none is open
	close   context.CancelFunc // of the open session
}

// holds makes this server the one that looks after the channel.
func (f *Fleet) holds(id message.ChannelID) *post {
	p := &post{again: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posts[id] = p
	return p
}

func (f *Fleet) quits(id message.ChannelID, p *post) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.posts[id] == p {
		delete(f.posts, id)
	}
}

// mans says which session is open; nil for none.
func (f *Fleet) mans(p *post, s *guarded, closes context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.session, p.close = s, closes
}

// at is the post of a channel here, and its session; nil for what is not here.
func (f *Fleet) at(id message.ChannelID) (*post, *guarded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.posts[id]
	if p == nil {
		return nil, nil
	}
	return p, p.session
}

// call is something that a session can be asked, on whichever server it is.
type call[Q, A any] struct {
	name string
	do   func(ctx context.Context, s channel.Session, q Q) (A, error)
}

// ability turns a method of an optional interface into what a call does.
func ability[S, Q, A any](name string, do func(s S, ctx context.Context, q Q) (A, error)) call[Q, A] {
	return call[Q, A]{name, func(ctx context.Context, s channel.Session, q Q) (answer A, err error) {
		able, ok := s.(S)
		if !ok {
			return answer, errors.ErrUnsupported
		}
		return do(able, ctx, q)
	}}
}

// ask asks the channel's session, here or on the server that has it, and waits five seconds for the answer. Its errors are faults:
// fault.NotConnected, fault.NoAnswer, fault.NotSupported, fault.NetworkRefused.
func (k call[Q, A]) ask(ctx context.Context, f *Fleet, c connection.Channel, q Q) (answer A, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	p, s := f.at(c.ID)
	switch {
	case s != nil:
		answer, err = k.here(ctx, s, q)
		return answer, f.explain(c, k.name, err)
	case p != nil || !f.gw.Store.Shared():
		return answer, notConnected()
	}
	question, err := json.Marshal(q)
	if err != nil {
		return answer, fmt.Errorf("encode a question: %w", err)
	}
	text, err := f.askOther(ctx, c, k.name, string(question))
	if err != nil {
		return answer, err
	}
	err = json.Unmarshal(text, &answer)
	return answer, err
}

// here has the session answer. A panic stops that session only.
func (k call[Q, A]) here(ctx context.Context, s *guarded, q Q) (A, error) {
	type result struct {
		answer A
		err    error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broken := &panicError{fmt.Sprintf("%s panicked: %v\n%s", k.name, p, debug.Stack())}
				s.end(broken)
				done <- result{err: broken}
			}
		}()
		answer, err := k.do(ctx, s.Session, q)
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-ctx.Done():
		var none A
		return none, ctx.Err()
	}
}

// serves answers a question that another server asks.
func (k call[Q, A]) serves(ctx context.Context, s *guarded, question string) (any, error) {
	var q Q
	if err := json.Unmarshal([]byte(question), &q); err != nil {
		return nil, fmt.Errorf("read a question: %w", err)
	}
	return k.here(ctx, s, q)
}

func notConnected() error { return fault.New(fault.NotConnected, "the device has no session now") }

func noAnswer() error {
	return fault.New(fault.NoAnswer, "there was no answer within %s", askTime).After(time.Second)
}

// explain says in the words of faults why a session could not do what it was asked.
func (f *Fleet) explain(c connection.Channel, what string, err error) error {
	fail, failed := errors.AsType[*channel.Failure](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return fault.New(fault.NotSupported, "channels of the driver %s cannot do this", c.Driver)
	case errors.Is(err, context.DeadlineExceeded), failed && fail.Verdict == channel.Retry:
		return noAnswer()
	case errors.Is(err, context.Canceled):
		return err
	case failed:
		return fault.New(fault.NetworkRefused, "the network refused: %s", fail.Code)
	}
	f.log.Warn("a session could not answer", "channel", c.Name, "driver", c.Driver, "asked", what, "err", err)
	return fault.New(fault.NetworkRefused, "the session failed")
}

// reply is what one server answers another: the answer, or the fault.
type reply struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Fault  *fault.Fault    `json:"fault,omitempty"`
}

// askOther asks the server that looks after the channel.
func (f *Fleet) askOther(ctx context.Context, c connection.Channel, kind, question string) (json.RawMessage, error) {
	states, err := f.gw.Connections.States(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(states[c.ID], func(s connection.State) bool { return s.Phase != connection.Waiting }) {
		return nil, notConnected()
	}
	var id int64
	err = f.gw.Store.Write(func(tx *store.Tx) (err error) {
		id, err = f.gw.Connections.Ask(tx, connection.Ask{Channel: c.ID, Kind: kind, Question: question, Until: tx.Now().Add(askTime)})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.Connections.DropAsk(tx, id) }) }() // else it is dropped when it is old
	for {
		called := f.asked.rings()
		text, ok, err := f.gw.Connections.Answered(ctx, id)
		switch {
		case ok:
			var r reply
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				return nil, fmt.Errorf("read an answer: %w", err)
			}
			if r.Fault != nil {
				return nil, r.Fault
			}
			return r.Answer, nil
		case ctx.Err() != nil:
			return nil, noAnswer()
		case err != nil:
			return nil, fmt.Errorf("wait for an answer: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-called:
		case <-time.After(askLook):
		}
	}
}

// answers answers what other servers ask of the channels that this one looks after, until ctx ends.
func (f *Fleet) answers(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		called := f.asked.rings()
		if !f.gw.Store.Alone() {
			asks, err := f.gw.Connections.Asks(ctx)
			if err != nil && ctx.Err() == nil && f.gw.Store.Healthy() == nil {
				f.log.Error("cannot read what other servers ask", "err", err)
			}
			for _, a := range asks {
				if p, s := f.at(a.Channel); p != nil && f.takes(a) {
					running.Go(func() { f.reply(ctx, a, p, s) })
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-called:
		case <-time.After(f.look):
		}
	}
}

func (f *Fleet) takes(a connection.Ask) (taken bool) {
	err := f.gw.Store.Write(func(tx *store.Tx) (err error) {
		taken, err = f.gw.Connections.TakeAsk(tx, a.ID)
		return err
	})
	return err == nil && taken
}

// reply answers one question.
func (f *Fleet) reply(ctx context.Context, a connection.Ask, p *post, s *guarded) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := f.answer(ctx, a, p, s)
	r := reply{Fault: fault.Of(err)}
	if err == nil {
		r.Answer, err = json.Marshal(answer)
	}
	if err != nil && r.Fault == nil {
		r.Fault = fault.New(fault.NetworkRefused, "the session failed")
	}
	text, err := json.Marshal(r)
	if err != nil {
		f.log.Error("cannot answer another server", "err", err)
		return
	}
	err = f.gw.Store.Write(func(tx *store.Tx) error { return f.gw.Connections.Answer(tx, a.ID, string(text)) })
	if err != nil && ctx.Err() == nil {
		f.log.Error("cannot answer another server", "err", err)
	}
}

func (f *Fleet) answer(ctx context.Context, a connection.Ask, p *post, s *guarded) (any, error) {
	if a.Kind == reconnect {
		f.reopens(p)
		return true, nil
	}
	k, ok := askable[a.Kind]
	if !ok {
		return nil, fault.New(fault.NotSupported, "the server that has the session is of another version")
	}
	if s == nil {
		return nil, notConnected()
	}
	c, _, err := f.gw.Connections.Get(ctx, a.Channel)
	if err != nil {
		return nil, err
	}
	answer, err := k.serves(ctx, s, a.Question)
	return answer, f.explain(c, a.Kind, err)
}

// bell wakes all who wait for it.
type bell struct {
	mu   sync.Mutex
	ring chan struct{}
}

// rings is closed at the next ring.
func (b *bell) rings() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ring == nil {
		b.ring = make(chan struct{})
	}
	return b.ring
}

func (b *bell) rung() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ring != nil {
		close(b.ring)
		b.ring = nil
	}
}

func aboutAsks(name string) bool { return strings.HasPrefix(name, connection.AskPrefix) }
