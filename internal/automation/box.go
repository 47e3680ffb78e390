package automation

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Entry is a message that came in, or a receipt, in the box from which its account fetches it.
type Entry struct {
	ID      EntryID // its time is when it came
	Account account.ID
	About   About
	Seq     int        // of the event
	Kind    event.Kind // of the event, and what it told:
	Status  message.Status
	Reason  string
	Code    string
	Unread  bool
	Test    bool            // there is no such message: somebody tries the box
	Message message.Message // as it is stored; only its ID where it is kept no more
}

// EntryID is the key of an entry.
type EntryID = id.Of[Entry]

// entryRow is a message or a receipt for the box.
func entryRow(key int64, about About, e event.Event, m *message.Message) addBoxedParams {
	status, _ := message.ParseStatus(e.Change.Status)
	return addBoxedParams{
		ID: key, AccountID: e.Account, About: int16(about), MessageID: m.ID, Seq: int64(e.Seq), Kind: string(e.Kind), Status: int16(status),
		Reason: e.Change.Reason, Code: e.Change.Code, Answers: int64(m.Answers),
	}
}

// Try puts a test into a box: what a program that fetches from it is tried with.
func (a *Automation) Try(tx *store.Tx, of account.ID, about About) (Entry, error) {
	row := addBoxedParams{ID: tx.NewID(), AccountID: of, About: int16(about), MessageID: message.ID(tx.NewID()), Seq: 1, Test: 1}
	row.Kind, row.Status = string(event.Received), int16(message.Received)
	if about == Receipts {
		row.Kind, row.Status = string(event.Delivered), int16(message.Delivered)
	}
	if err := store.Run(tx, addBoxed, []addBoxedParams{row}); err != nil {
		return Entry{}, fmt.Errorf("put a test into a box: %w", err)
	}
	return Sample(of, about, EntryID(row.ID), row.MessageID), nil
}

// Sample is the test that Try puts into a box.
func Sample(of account.ID, about About, key EntryID, which message.ID) Entry {
	them, us := message.Address{Kind: message.Phone, Value: "+61411111111"}, message.Address{Kind: message.Phone, Value: "+61422222222"}
	e := Entry{ID: key, Account: of, About: about, Seq: 1, Kind: event.Received, Status: message.Received, Unread: true, Test: true}
	e.Message = message.Message{
		ID: which, Account: of, Direction: message.In, Kind: message.SMS, From: them, To: us, Content: message.Text("This is a test message."), Status: message.Received,
		Seq: 1, Total: 1, Test: true,
	}
	if about == Receipts {
		e.Kind, e.Status = event.Delivered, message.Delivered
		e.Message.Direction, e.Message.From, e.Message.To, e.Message.Status = message.Out, us, them, message.Delivered
	}
	return e
}

// Entries returns what a box holds after the given entry (zero: from the oldest), oldest first: all of it, or what is unread.
func (a *Automation) Entries(ctx context.Context, of account.ID, about About, unread bool, after EntryID, page int) (list []Entry, err error) {
	var rows []boxedRecord
	if unread {
		rows, err = on(a.Store.Reader()).BoxedUnread(ctx, boxedUnreadParams{AccountID: of, About: int16(about), After: int64(after), Page: int64(page)})
	} else {
		rows, err = on(a.Store.Reader()).BoxedAll(ctx, boxedAllParams{AccountID: of, About: int16(about), After: int64(after), Page: int64(page)})
	}
	if err != nil {
		return nil, fmt.Errorf("list a box: %w", err)
	}
	return a.entries(ctx, rows)
}

// Page returns the unread entries of a box after so many, oldest first, and how many are unread in all.
func (a *Automation) Page(ctx context.Context, of account.ID, about About, skip, page int) (list []Entry, total int, err error) {
	n, err := on(a.Store.Reader()).CountUnread(ctx, countUnreadParams{AccountID: of, About: int16(about)})
	if err != nil {
		return nil, 0, fmt.Errorf("count a box: %w", err)
	}
	rows, err := on(a.Store.Reader()).BoxedPage(ctx, boxedPageParams{AccountID: of, About: int16(about), Skip: int64(skip), Page: int64(page)})
	if err != nil {
		return nil, 0, fmt.Errorf("list a box: %w", err)
	}
	list, err = a.entries(ctx, rows)
	return list, int(n), err
}

// Last is the newest entry about a message, read or not; fault.NotHere when the box holds none.
func (a *Automation) Last(ctx context.Context, of account.ID, about About, which message.ID) (Entry, error) {
	row, err := on(a.Store.Reader()).BoxedOf(ctx, boxedOfParams{MessageID: which, About: int16(about)})
	return a.one(ctx, of, row, err)
}

// FirstAnswer is the first message in the box that answers another, read or not; fault.NotHere when the box holds none.
func (a *Automation) FirstAnswer(ctx context.Context, of account.ID, to message.ID) (Entry, error) {
	row, err := on(a.Store.Reader()).FirstAnswer(ctx, firstAnswerParams{Answers: int64(to)})
	return a.one(ctx, of, row, err)
}

func (a *Automation) one(ctx context.Context, of account.ID, row boxedRecord, err error) (Entry, error) {
	if store.NoRows(err) || err == nil && row.AccountID != of {
		return Entry{}, fault.New(fault.NotHere, "the box has nothing about this message")
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read from a box: %w", err)
	}
	list, err := a.entries(ctx, []boxedRecord{row})
	if err != nil {
		return Entry{}, err
	}
	return list[0], nil
}

func (a *Automation) entries(ctx context.Context, rows []boxedRecord) ([]Entry, error) {
	list := make([]Entry, len(rows))
	for i, r := range rows {
		e := Entry{
			ID: EntryID(r.ID), Account: r.AccountID, About: About(r.About), Seq: int(r.Seq), Kind: event.Kind(r.Kind), Status: message.Status(r.Status),
			Reason: r.Reason, Code: r.Code, Unread: r.Unread == 1, Test: r.Test == 1,
		}
		if e.Test {
			e.Message = Sample(e.Account, e.About, e.ID, r.MessageID).Message
			list[i] = e
			continue
		}
		m, ok, err := a.Gateway.Brief(ctx, r.AccountID, r.MessageID)
		if err != nil {
			return nil, err
		}
		if !ok {
			m = message.Message{ID: r.MessageID, Account: r.AccountID}
		}
		e.Message = m
		list[i] = e
	}
	return list, nil
}

// Read marks what came into a box before a time as read (zero: all of it), and tells how much that was.
func (a *Automation) Read(ctx context.Context, of account.ID, about About, before time.Time) (marked int, err error) {
	row := markBeforeParams{AccountID: of, About: int16(about), Before: math.MaxInt64}
	if !before.IsZero() {
		row.Before = int64(id.At[Entry](before))
	}
	for more := true; more && ctx.Err() == nil; {
		var n []int64
		err := a.Store.Write(func(tx *store.Tx) (err error) {
			n, err = store.Each(tx, markBefore, []markBeforeParams{row})
			return err
		})
		if err != nil {
			return marked, fmt.Errorf("mark a box: %w", err)
		}
		marked, more = marked+int(n[0]), n[0] > 0
	}
	return marked, ctx.Err()
}

// ReadOne marks what a box holds about a message as read, and tells how much that was; fault.NotHere when it holds nothing of it.
func (a *Automation) ReadOne(ctx context.Context, of account.ID, about About, which message.ID) (marked int, err error) {
	if _, err := a.Last(ctx, of, about, which); err != nil {
		return 0, err
	}
	err = a.Store.Write(func(tx *store.Tx) error {
		n, err := store.Each(tx, markMessage, []markMessageParams{{MessageID: which, About: int16(about)}})
		if err != nil {
			return fmt.Errorf("mark in a box: %w", err)
		}
		marked = int(n[0])
		return nil
	})
	return marked, err
}
