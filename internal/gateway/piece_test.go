package gateway_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// past is a core at rest, months after it sent one message.
type past struct {
	*world
	sent message.ID
}

// newPast sends a message, plants what the test is about, and lets its retention pass.
func newPast(t *testing.T, s gateway.Settings, plant func(p *past)) *past {
	t.Helper()
	if !storetest.Postgres() {
		t.Skip("SQLite keeps a table in one piece")
	}
	s.KeepMessages = 30 * day
	p := &past{world: newWorld(t, with(s))}
	p.sent = p.send(draft(phone(1), "x"))
	p.await(p.sent, message.Sent)
	p.stop()
	if plant != nil {
		plant(p)
	}
	p.store.Shift(100 * day)
	return p
}

func (p *past) retain() {
	p.t.Helper()
	var emptied message.ID
	p.must(p.gateway.Retain(p.t.Context(), &emptied))
}

// kept tells whether the month in which the message was sent has its piece.
func (p *past) kept() bool {
	p.t.Helper()
	pieces, err := p.store.Pieces(p.t.Context(), math.MaxInt64)
	p.must(err)
	for _, piece := range pieces {
		if piece.From <= int64(p.sent) && int64(p.sent) < piece.To {
			return true
		}
	}
	return false
}

func (p *past) execute(stmt string, args ...any) {
	p.t.Helper()
	p.write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt, args...)
		return err
	})
}

func TestAMonthPastItsRetentionIsDropped(t *testing.T) {
	t.Parallel()
	p := newPast(t, gateway.Settings{}, nil)
	p.retain()
	if p.kept() {
		t.Error("its piece is still there")
	}
	for _, table := range []string{"message", "part", "event"} {
		if n := p.count(table); n != 0 {
			t.Errorf("%d rows of %s", n, table)
		}
	}
	pieces, err := p.store.Pieces(t.Context(), math.MaxInt64)
	p.must(err)
	now := p.store.NewID()
	if last := pieces[len(pieces)-1]; last.From <= now {
		t.Errorf("no piece is made ahead of the time: %v", pieces)
	}
	id := p.send(draft(phone(1), "into its own piece"))
	if p.count("message_rest") != 0 {
		t.Errorf("message %s has no piece", id)
	}
	if err := p.wallet.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each of these keeps the piece.
func TestWhatNeedsARowKeepsItsPiece(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(p *past){
		"a job with a key of its time": func(p *past) {
			p.execute("INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at) VALUES ($1, 'x', 'x', 1, 1, '', 1, $2)", int64(p.sent)+1, int64(math.MaxInt64))
		},
		"a job about a message": func(p *past) {
			p.execute("INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at) VALUES (7, 'x', 'x', $1, 1, '', 1, $2)", int64(p.sent), int64(math.MaxInt64))
		},
		"a message that waits":               func(p *past) { p.execute("UPDATE message SET status = 3") },
		"a message that was to go out later": func(p *past) { p.execute("UPDATE message SET valid_until = $1", p.store.Now().Add(90*day).UnixMilli()) },
		"money held for a message":           func(p *past) { p.execute("DELETE FROM transfer WHERE step = 'end'") },
		"an event of something else": func(p *past) {
			p.execute("INSERT INTO event (subject, seq, account_id, kind, data, at) VALUES ($1, 1, 1, 'recipient.opted_out', '{}', 1)", int64(p.sent)+1)
		},
		"what others claim": func(p *past) {
			p.gateway.Needs(func(_ context.Context, from, before int64) (bool, error) {
				return from <= int64(p.sent) && int64(p.sent) < before, nil
			})
		},
		"a job that is added while the piece is looked at": func(p *past) {
			add := sync.OnceFunc(func() {
				p.write(func(tx *store.Tx) error {
					return p.queue.Add(tx, []queue.Job{{ID: tx.NewID(), Lane: "x", Kind: "x", Subject: int64(p.sent), Priority: 1, Due: tx.Now().Add(day)}})
				})
			})
			p.gateway.Needs(func(context.Context, int64, int64) (bool, error) {
				add()
				return false, nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPast(t, gateway.Settings{}, plant)
			other := p.sent + 100
			p.execute("INSERT INTO message SELECT $1, account_id, direction, kind, channel_id, recipient, sender, content, 13, seq, attempt, total, encoding, price, currency, priority, on_unknown, reference, metadata, test, duplicate, reason, scheduled_at, 0, updated_at, answers, joint FROM message", int64(other))
			p.retain()
			if !p.kept() {
				t.Error("the piece has gone")
			}
			if n := p.count(fmt.Sprintf("message WHERE id = %d", int64(other))); n != 0 {
				t.Error("what nobody needs is still in it")
			}
		})
	}
}

// Events of what is no message end with the time that they are kept, if there is one.
func TestOldEventsDoNotKeepAPiece(t *testing.T) {
	t.Parallel()
	p := newPast(t, gateway.Settings{KeepEvents: 40 * day}, func(p *past) {
		p.execute("INSERT INTO event (subject, seq, account_id, kind, data, at) VALUES ($1, 1, 1, 'recipient.opted_out', '{}', 1)", int64(p.sent)+1)
	})
	p.retain()
	if p.kept() || p.count("event") != 0 {
		t.Error("the piece is still there")
	}
}

// A table in use is left for later, and nobody waits behind retention.
func TestRetentionDoesNotWaitForATable(t *testing.T) {
	t.Parallel()
	p := newPast(t, gateway.Settings{}, nil)
	db, err := sql.Open("pgx", p.life.Database)
	p.must(err)
	defer func() { _ = db.Close() }()
	reading, err := db.BeginTx(t.Context(), nil)
	p.must(err)
	_, err = reading.ExecContext(t.Context(), "SELECT count(*) FROM message")
	p.must(err)
	p.retain()
	if !p.kept() {
		t.Error("the piece has gone under a reader")
	}
	p.send(draft(phone(1), "the store goes on"))
	p.must(reading.Rollback())
	p.retain()
	if p.kept() {
		t.Error("the piece is still there")
	}
}

// Rows that are in no month's piece are deleted one by one.
func TestRowsWithoutAPieceAreDeleted(t *testing.T) {
	t.Parallel()
	p := newPast(t, gateway.Settings{}, func(p *past) {
		p.execute("UPDATE message SET id = 5")
		p.execute("UPDATE part SET message_id = 5")
		p.execute("UPDATE event SET subject = 5")
	})
	if p.count("message_rest") != 1 {
		t.Fatal("the message is not in the rest")
	}
	p.retain()
	if n := p.count("message") + p.count("part") + p.count("event"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestTwoServersDropAPieceOnce(t *testing.T) {
	t.Parallel()
	p := newPast(t, gateway.Settings{}, nil)
	opt := p.life.Options
	opt.Dir = t.TempDir()
	key, err := os.ReadFile(filepath.Join(p.life.Dir, "master.key"))
	p.must(err)
	p.must(os.WriteFile(filepath.Join(opt.Dir, "master.key"), key, 0o600))
	q := &past{world: &world{t: t, life: &storetest.Life{Options: opt}, settings: p.settings, network: p.network}, sent: p.sent}
	q.open()
	q.store.Shift(100 * day)
	var running sync.WaitGroup
	for _, one := range []*past{p, q} {
		running.Go(one.retain)
	}
	running.Wait()
	if p.kept() || p.count("message") != 0 {
		t.Error("the piece is still there")
	}
}
