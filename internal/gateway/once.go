package gateway

import (
	"encoding/json"
	"fmt"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// Once is a request whose effect happens once, however often it comes.
type Once struct {
	Key         string // the Idempotency-Key; empty: each one is another request
	Scope       string // what the key counts within, beside the account: method and route
	Fingerprint string // of what is asked, to tell a repeat from another request with the same key
}

// Outcome is how such a request was answered.
type Outcome struct {
	Status   int
	Body     string
	Shown    string // the id of what was made, where the body shows a secret: then it is not kept, and a repeat is refused with the id
	Replayed bool   `json:"-"` // the key was seen before: this is the answer of then
}

// Do runs a change in one transaction with the memory of its answer: whoever repeats the request gets the same answer, and the
// change does not happen again. A change that fails leaves nothing, and its key may be used again.
func (g *Gateway) Do(c Caller, r Once, change func(tx *store.Tx) (Outcome, error)) (done Outcome, err error) {
	if len(r.Key) > maxKeyLength {
		return done, fault.New(fault.InvalidField, "an idempotency key has at most %d characters", maxKeyLength).In("Idempotency-Key")
	}
	err = g.Store.Write(func(tx *store.Tx) (err error) {
		if done, err = g.answered(tx, c, r); err != nil || done.Replayed {
			return err
		}
		if done, err = change(tx); err != nil || r.Key == "" {
			return err
		}
		return g.keep(tx, c, r, done)
	})
	return done, err
}

// answered is how a request was answered before, if it was.
func (g *Gateway) answered(tx *store.Tx, c Caller, r Once) (before Outcome, err error) {
	if r.Key == "" {
		return before, nil
	}
	rows, err := store.First[idempotencyRow](tx, idempotency, []idempotencyParams{{AccountID: c.Account.ID, Scope: r.Scope, Key: r.Key, Now: tx.NowMilli()}})
	if err != nil {
		return before, fmt.Errorf("look for an idempotency key: %w", err)
	}
	row := rows[0]
	switch {
	case row == nil:
		return before, nil
	case row.Fingerprint != r.Fingerprint:
		return before, fault.New(fault.KeyReused, "this key was used for another request")
	}
	if err := json.Unmarshal([]byte(row.Outcome), &before); err != nil {
		return before, fmt.Errorf("read an idempotency outcome: %w", err)
	}
	if before.Shown != "" {
		f := fault.New(fault.AlreadyThere, "the request was done before, and its secret is shown once")
		f.Existing = before.Shown
		return before, f
	}
	before.Replayed = true
	return before, nil
}

// keep remembers an answer, without what is shown once.
func (g *Gateway) keep(tx *store.Tx, c Caller, r Once, done Outcome) error {
	if done.Shown != "" {
		done.Body = ""
	}
	err := store.Run(tx, setIdempotency, []setIdempotencyParams{{
		AccountID: c.Account.ID, Scope: r.Scope, Key: r.Key, Fingerprint: r.Fingerprint, Outcome: encode(done), ExpiresAt: tx.Now().Add(keepKeys).UnixMilli(),
	}})
	if err != nil {
		return fmt.Errorf("keep an idempotency key: %w", err)
	}
	return nil
}
