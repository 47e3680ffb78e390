package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Repeat is a message that must not be like one of a moment ago. The zero one may be.
type Repeat struct {
	Mark   string // the same for identical messages of the account
	Window time.Duration
}

// RepeatOf is a message that must not be repeated within a window. Identical is what says the same to the same recipient by the same
// kind of network for the same time; said is the content as the caller wrote it. Only a keyed hash is made of it.
func (k *Keeper) RepeatOf(m *message.Message, said message.Content, window time.Duration) (Repeat, error) {
	if window <= 0 {
		return Repeat{}, nil
	}
	if file := m.Content.Media; file != nil {
		same := *file
		if same.SHA256 != "" { // the same bytes, however often they were brought
			same = message.Media{SHA256: same.SHA256}
		}
		said.Media = &same
	}
	content, err := json.Marshal(said)
	if err != nil {
		return Repeat{}, fmt.Errorf("encode content: %w", err)
	}
	due := int64(0)
	if !m.Scheduled.IsZero() {
		due = m.Scheduled.UnixMilli()
	}
	text := string(m.Kind) + "\x00" + m.To.String() + "\x00" + strconv.FormatInt(due, 10) + "\x00" + strconv.FormatBool(m.Test) + "\x00" + string(content)
	return Repeat{Mark: k.store.Mark("repeat/"+m.Account.String(), text), Window: window}, nil
}

// Fault is why a repeat is refused.
func (r Repeat) Fault() *fault.Fault {
	return fault.New(fault.RepeatedMessage, "the same message to the recipient was accepted less than %d s ago", int(r.Window/time.Second)).In("text")
}

// Meet notes messages as accepted now, in their order, and tells which of them must not be: the same was accepted within their
// window, maybe just before in the list. What is not accepted after all must be taken back in the same transaction.
func (k *Keeper) Meet(tx *store.Tx, repeats []Repeat) (repeated []bool, err error) {
	rows := make([]meetParams, len(repeats))
	for i, r := range repeats {
		rows[i] = meetParams{Mark: r.Mark, At: tx.NowMilli(), ExpiresAt: tx.Now().Add(r.Window).UnixMilli(), Since: tx.Now().Add(-r.Window).UnixMilli()}
	}
	noted, err := store.Each(tx, meet, rows)
	if err != nil {
		return nil, fmt.Errorf("look for repeated messages: %w", err)
	}
	repeated = make([]bool, len(repeats))
	for i, n := range noted {
		repeated[i] = n == 0
	}
	return repeated, nil
}

// TakeBack undoes what Meet noted of messages in this transaction.
func (k *Keeper) TakeBack(tx *store.Tx, repeats []Repeat) error {
	rows := make([]takeBackParams, len(repeats))
	for i, r := range repeats {
		rows[i] = takeBackParams{Mark: r.Mark, At: tx.NowMilli()}
	}
	if err := store.Run(tx, takeBack, rows); err != nil {
		return fmt.Errorf("take back what was not accepted: %w", err)
	}
	return nil
}

// Repeated tells whether a message would be refused now as a repeat. It changes nothing.
func (k *Keeper) Repeated(ctx context.Context, r Repeat) (bool, error) {
	if r.Window <= 0 {
		return false, nil
	}
	at, err := on(k.store.Reader()).SentLately(ctx, sentLatelyParams{Mark: r.Mark})
	if store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a repeated message: %w", err)
	}
	return time.UnixMilli(at).After(k.store.Now().Add(-r.Window)), nil
}

// DropSent deletes some of what was accepted longer ago than its window, and tells whether there may be more.
func DropSent(tx *store.Tx) (more bool, err error) {
	dropped, err := store.Each(tx, dropSent, []int64{tx.NowMilli()})
	if err != nil {
		return false, fmt.Errorf("drop marks of sent messages: %w", err)
	}
	return dropped[0] > 0, nil
}
