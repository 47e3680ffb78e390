package privacy

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Erasure takes one person out of what an account keeps from before it: a mark is left, by which an opt-out still stands.
type Erasure struct {
	ID        ErasureID
	Account   account.ID
	Mark      message.Address
	State     State
	Messages  int // erased so far
	Cancelled int // of those, the ones that had not gone out
	Ended     time.Time
}

// ErasureID is the key of an erasure.
type ErasureID = id.Of[Erasure]

const (
	eraseKind = "erase"     // of jobs
	busyPause = time.Second // until messages that are being sent are looked at again
)

// StartErasure has a person erased from an account, in the background. When it has been committed, the data folder knows of it too, so
// that it is done again if an older backup is restored.
func (p *Privacy) StartErasure(tx *store.Tx, by audit.Actor, a account.ID, of message.Address) (Erasure, error) {
	e := Erasure{ID: ErasureID(tx.NewID()), Account: a, Mark: p.Consent.Mark(a, of), State: Running}
	sealed, err := p.Store.Seal(erasurePlace(e.ID), of.String())
	if err != nil {
		return e, err
	}
	o := order{id: e.ID, account: a, sealed: sealed}
	if _, err := p.addErasure(tx, o, e.Mark); err != nil {
		return e, err
	}
	tx.After(func() {
		if err := p.orders.keep(o); err != nil { // the job tries again before it erases anything
			p.Log.Error("cannot write an erasure to the data folder", "err", err)
		}
	})
	return e, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "person.erase", Subject: e.ID.String(), Detail: e.Mark.String()})
}

func erasurePlace(e ErasureID) string { return "erasure/" + e.String() }

// addErasure adds an erasure with its job, and tells whether it is new.
func (p *Privacy) addErasure(tx *store.Tx, o order, mark message.Address) (bool, error) {
	row := addErasureParams{ID: int64(o.id), AccountID: o.account, Address: o.sealed, Mark: mark.String()}
	added, err := store.Each(tx, addErasure, []addErasureParams{row})
	if err != nil {
		return false, fmt.Errorf("store erasure: %w", err)
	}
	if added[0] == 0 {
		return false, nil
	}
	return true, p.add(tx, eraseKind, int64(o.id), o.account)
}

// Start begins the erasures again that the data folder knows and the database does not: it comes from a backup of before them.
func (p *Privacy) Start(ctx context.Context) error {
	orders, err := p.orders.read()
	if err != nil {
		return err
	}
	for _, o := range orders {
		_, err := on(p.Store.Reader()).OneErasure(ctx, oneErasureParams{ID: int64(o.id)})
		if err == nil {
			continue
		}
		if !store.NoRows(err) {
			return fmt.Errorf("read erasure: %w", err)
		}
		if err := p.again(o); err != nil {
			return err
		}
	}
	return nil
}

func (p *Privacy) again(o order) error {
	address, err := p.Store.Unseal(erasurePlace(o.id), o.sealed)
	if err != nil {
		return fmt.Errorf("read an erasure in the data folder: %w", err)
	}
	return p.Store.Write(func(tx *store.Tx) error {
		mark := p.Consent.Mark(o.account, message.ParseAddress(address))
		added, err := p.addErasure(tx, o, mark)
		if err != nil || !added {
			return err
		}
		return audit.Append(tx, audit.Entry{Account: o.account, Actor: audit.System, Action: "person.erase_again", Subject: o.id.String(), Detail: mark.String()})
	})
}

// ReadErasure returns an erasure of the account.
func (p *Privacy) ReadErasure(ctx context.Context, a account.ID, which ErasureID) (Erasure, error) {
	row, err := on(p.Store.Reader()).OneErasure(ctx, oneErasureParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && row.AccountID != a {
		return Erasure{}, fault.New(fault.NotHere, "there is no erasure %s", which)
	}
	if err != nil {
		return Erasure{}, fmt.Errorf("read erasure: %w", err)
	}
	return erasureOf(row), nil
}

// Erasures lists the erasures of an account before the given one (zero: from the newest), newest first.
func (p *Privacy) Erasures(ctx context.Context, a account.ID, before ErasureID, page int) ([]Erasure, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(p.Store.Reader()).ErasuresOf(ctx, erasuresOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	list := make([]Erasure, len(rows))
	for i, r := range rows {
		list[i] = erasureOf(r)
	}
	return list, nil
}

func erasureOf(r erasureRecord) Erasure {
	e := Erasure{
		ID: ErasureID(r.ID), Account: r.AccountID, Mark: message.ParseAddress(r.Mark), State: states[r.State], Messages: int(r.Messages), Cancelled: int(r.Cancelled),
	}
	if r.EndedAt > 0 {
		e.Ended = time.UnixMilli(r.EndedAt).UTC()
	}
	return e
}

// doErase erases a person. It keeps no place: what is erased is not found again, so that it goes on wherever it was cut off.
func (p *Privacy) doErase(ctx context.Context, t *queue.Task) {
	busy, err := p.erase(ctx, ErasureID(t.Subject))
	switch {
	case err != nil:
		if ctx.Err() == nil {
			p.Log.Error("cannot erase", "job", t.ID, "err", err)
		}
		t.Next = queue.Again(p.Store.Now().Add(queue.Backoff(int(t.Step))), t.Step+1, "")
	case busy:
		t.Next = queue.Again(p.Store.Now().Add(busyPause), 0, "")
	default:
		t.Next, t.Payload = queue.Done(), true
	}
}

// erase does all of an erasure that can be done now, in small transactions, and tells whether some messages are just being sent.
func (p *Privacy) erase(ctx context.Context, which ErasureID) (busy bool, err error) {
	row, err := on(p.Store.Reader()).OneErasure(ctx, oneErasureParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && row.State != 0 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read erasure: %w", err)
	}
	if err := p.orders.keep(order{id: which, account: row.AccountID, sealed: row.Address}); err != nil {
		return false, err
	}
	text, err := p.Store.Unseal(erasurePlace(which), row.Address)
	if err != nil {
		return false, err
	}
	who := gateway.Person{Account: row.AccountID, Address: message.ParseAddress(text), Mark: message.ParseAddress(row.Mark), Before: message.ID(which)}
	aliases, err := p.Gateway.Aliases(ctx, who)
	if err != nil {
		return false, err
	}
	for _, alias := range aliases {
		waits, err := p.eraseAlias(ctx, which, alias)
		if busy = busy || waits; err != nil {
			return busy, err
		}
	}
	if !busy { // until then the contact tells the other addresses
		if err := p.eraseContact(who); err != nil {
			return busy, err
		}
	}
	return busy, p.eraseExports(ctx, who.Account)
}

// eraseAlias erases what is known of a person under one address.
func (p *Privacy) eraseAlias(ctx context.Context, which ErasureID, who gateway.Person) (busy bool, err error) {
	err = p.Store.Write(func(tx *store.Tx) error {
		if err := p.Gateway.Members.Forget(tx, who.Account, who.Address); err != nil {
			return err
		}
		if err := p.Issues.ForgetNamed(tx, who.Account, who.Address); err != nil {
			return err
		}
		return p.Consent.Forget(tx, who.Account, who.Address)
	})
	if err != nil {
		return false, err
	}
	if busy, err = p.eraseMessages(ctx, which, who); err != nil {
		return busy, err
	}
	return busy, p.Gateway.EraseTraces(ctx, who)
}

func (p *Privacy) eraseContact(who gateway.Person) error {
	return p.Store.Write(func(tx *store.Tx) error {
		subjects, err := p.Gateway.EraseContact(tx, who)
		if err != nil {
			return err
		}
		return p.Answers(tx, subjects)
	})
}

func (p *Privacy) eraseMessages(ctx context.Context, which ErasureID, who gateway.Person) (busy bool, err error) {
	after := message.ID(0)
	for more := true; more; more = after != 0 {
		if ctx.Err() != nil {
			return busy, ctx.Err()
		}
		var done gateway.Erased
		err := p.Store.Write(func(tx *store.Tx) (err error) {
			if done, err = p.Gateway.EraseMessages(tx, who, after); err != nil {
				return err
			}
			if err := p.Answers(tx, done.Messages); err != nil {
				return err
			}
			if err := p.Boxes(tx, done.Messages); err != nil {
				return err
			}
			if err := p.Issues.Forget(tx, done.Messages); err != nil {
				return err
			}
			sums := countErasedParams{Messages: int64(len(done.Messages)), Cancelled: int64(done.Cancelled), ID: int64(which)}
			return store.Run(tx, countErased, []countErasedParams{sums})
		})
		if err != nil {
			return busy, fmt.Errorf("erase messages: %w", err)
		}
		after, busy = done.Next, busy || done.Busy
	}
	return busy, nil
}

// eraseExports deletes the files of an account: they hold what was erased.
func (p *Privacy) eraseExports(ctx context.Context, a account.ID) error {
	err := p.Store.Write(func(tx *store.Tx) error { return store.Run(tx, expireExports, []account.ID{a}) })
	for more := true; more && err == nil && ctx.Err() == nil; {
		err = p.Store.Write(func(tx *store.Tx) (err error) {
			more, err = p.Drop(tx)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("erase exports: %w", err)
	}
	return ctx.Err()
}

// endErasures notes which erasures are done. Then the address is not even sealed any more.
func (p *Privacy) endErasures(tx *store.Tx, tasks []*queue.Task) error {
	var rows []endErasureParams
	for _, t := range tasks {
		if t.Payload != nil && !t.Fenced {
			rows = append(rows, endErasureParams{EndedAt: tx.NowMilli(), ID: t.Subject})
		}
	}
	if err := store.Run(tx, endErasure, rows); err != nil {
		return fmt.Errorf("end erasures: %w", err)
	}
	return nil
}
