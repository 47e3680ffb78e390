package automation_test

import (
	"fmt"
	"testing"
	"time"

	"tidings.dev/internal/automation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func TestABoxIsReadOldestFirstAndMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.Poll})
	ctx, of, in := t.Context(), w.alice.ID, automation.Inbound
	for i := range 5 {
		w.receive(jane, shop, fmt.Sprint(i))
		w.store.Shift(time.Minute)
	}
	list, err := w.Entries(ctx, of, in, true, 0, 2)
	w.must(err)
	next, err := w.Entries(ctx, of, in, true, list[1].ID, 10)
	w.must(err)
	if len(list) != 2 || list[0].Message.Content.Text != "0" || len(next) != 3 || next[0].Message.Content.Text != "2" || !next[2].Unread {
		t.Errorf("%+v, then %+v", list, next)
	}
	page, total, err := w.Page(ctx, of, in, 3, 3)
	if err != nil || total != 5 || len(page) != 2 || page[0].Message.Content.Text != "3" {
		t.Errorf("page %+v of %d, %v", page, total, err)
	}
	if n, err := w.Read(ctx, of, in, next[0].ID.Time()); err != nil || n != 2 {
		t.Errorf("%d were marked before the third, %v", n, err)
	}
	if n, err := w.ReadOne(ctx, of, in, next[1].Message.ID); err != nil || n != 1 {
		t.Errorf("%d were marked, %v", n, err)
	}
	if n, err := w.ReadOne(ctx, of, in, next[1].Message.ID); err != nil || n != 0 {
		t.Errorf("%d were marked again, %v", n, err)
	}
	if _, err := w.ReadOne(ctx, w.bob.ID, in, next[1].Message.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("another marks: %v", err)
	}
	same(t, "unread", w.texts(in, true), "2 received", "4 received")
	same(t, "all", w.texts(in, false), "0 received", "1 received", "2 received", "3 received", "4 received")
	if n, err := w.Read(ctx, of, automation.Receipts, time.Time{}); err != nil || n != 0 {
		t.Errorf("%d in the other box, %v", n, err)
	}
	if n, err := w.Read(ctx, of, in, time.Time{}); err != nil || n != 2 {
		t.Errorf("%d were marked at last, %v", n, err)
	}
	if _, total, err := w.Page(ctx, of, in, 0, 10); err != nil || total != 0 {
		t.Errorf("%d are unread, %v", total, err)
	}
	if e, err := w.Last(ctx, of, in, next[1].Message.ID); err != nil || e.Unread || e.Message.Content.Text != "3" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestTheFirstAnswerIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.Poll})
	asked := w.send(jane, "Do you come?")
	w.receive(jane, shop, "Yes")
	w.receive(jane, shop, "No")
	if e, err := w.FirstAnswer(t.Context(), w.alice.ID, asked); err != nil || e.Message.Content.Text != "Yes" || e.Message.Answers != asked {
		t.Errorf("%+v, %v", e, err)
	}
	for _, c := range []struct {
		of    *world
		which message.ID
	}{{w, 0}, {w, asked + 1}} {
		if _, err := c.of.FirstAnswer(t.Context(), w.alice.ID, c.which); !fault.Is(err, fault.NotHere) {
			t.Errorf("%d: %v", c.which, err)
		}
	}
	if _, err := w.FirstAnswer(t.Context(), w.bob.ID, asked); !fault.Is(err, fault.NotHere) {
		t.Errorf("another's: %v", err)
	}
}

func TestABoxIsTriedWithATest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for about, kind := range map[automation.About]event.Kind{automation.Inbound: event.Received, automation.Receipts: event.Delivered} {
		var made automation.Entry
		w.write(func(tx *store.Tx) (err error) {
			made, err = w.Try(tx, w.alice.ID, about)
			return err
		})
		list, err := w.Entries(t.Context(), w.alice.ID, about, true, 0, 10)
		if err != nil || len(list) != 1 || !list[0].Test || list[0].Kind != kind || list[0].Message.ID != made.Message.ID || list[0].Message.Content.Text == "" {
			t.Errorf("%+v, %v", list, err)
		}
	}
}

// What a box holds goes with its message: when its time is over, and when its person is erased.
func TestABoxForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.Poll})
	w.receive(jane, shop, "0")
	w.store.Shift(time.Hour)
	w.receive(jane, shop, "1")
	w.receive(jane, shop, "2")
	w.write(func(tx *store.Tx) error {
		for more := true; more; {
			var err error
			if more, err = w.Drop(tx, tx.Now().Add(-time.Minute)); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "after its time", w.texts(automation.Inbound, false), "1 received", "2 received")
	list, err := w.Entries(t.Context(), w.alice.ID, automation.Inbound, true, 0, 1)
	w.must(err)
	w.write(func(tx *store.Tx) error { return w.Forget(tx, []int64{int64(list[0].Message.ID)}) })
	same(t, "after the erasure", w.texts(automation.Inbound, false), "2 received")
}
