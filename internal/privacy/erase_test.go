package privacy_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/privacy"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

const planted = "planted" // in all that is written to, from and about the person

func (w *world) erase(a account.Account, of message.Address) (e privacy.Erasure) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		e, err = w.privacy.StartErasure(tx, audit.System, a.ID, of)
		return err
	})
	return e
}

// erased waits for the end of an erasure.
func (w *world) erased(e privacy.Erasure) privacy.Erasure {
	w.t.Helper()
	w.until("an erasure", func() bool {
		now, err := w.privacy.ReadErasure(w.t.Context(), e.Account, e.ID)
		w.must(err)
		e = now
		return e.State == privacy.Done
	})
	return e
}

// sweep looks through all columns of all tables for the texts, but for the rows of another account.
func (w *world) sweep(except account.ID, texts ...string) (found []string) {
	w.t.Helper()
	list := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if storetest.Postgres() {
		list = "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	}
	tables := w.column(list)
	if len(tables) < 40 {
		w.t.Fatalf("only %d tables", len(tables))
	}
	for _, table := range tables {
		rows, err := w.store.Reader().QueryContext(w.t.Context(), `SELECT * FROM "`+table+`"`)
		w.must(err)
		names, err := rows.Columns()
		w.must(err)
		for rows.Next() {
			values, into := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			w.must(rows.Scan(into...))
			found = append(found, matches(table, names, values, except, texts)...)
		}
		w.must(rows.Err())
		w.must(rows.Close())
	}
	return found
}

func matches(table string, names []string, values []any, except account.ID, texts []string) (found []string) {
	for i, name := range names {
		if name == "account_id" && fmt.Sprint(values[i]) == fmt.Sprint(int64(except)) {
			return nil
		}
		text := fmt.Sprint(values[i])
		if raw, ok := values[i].([]byte); ok {
			text = string(raw)
		}
		for _, t := range texts {
			if strings.Contains(text, t) {
				found = append(found, table+"."+name+": "+text)
			}
		}
	}
	return found
}

func (w *world) column(query string) (all []string) {
	w.t.Helper()
	rows, err := w.store.Reader().QueryContext(w.t.Context(), query)
	w.must(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		w.must(rows.Scan(&text))
		all = append(all, text)
	}
	w.must(rows.Err())
	return all
}

func (w *world) execute(stmt string, args ...any) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt, args...)
		return err
	})
}

// plant leaves traces of the person in every place that has any.
func (w *world) plant() (sent, waits, bobs message.ID) {
	w.t.Helper()
	for i := range 120 {
		sent = w.send(w.alice, message.Draft{
			To: person.Value, Content: message.Text(planted + fmt.Sprint(i)), Reference: fmt.Sprint(planted, i), Metadata: []byte(`{"who":"` + planted + `"}`),
		})
	}
	waits = w.send(w.alice, message.Draft{To: person.Value, Content: message.Text(planted), ScheduledAt: w.store.Now().Add(time.Hour)})
	bobs = w.send(w.bob, message.Draft{To: person.Value, Content: message.Text(planted)})
	w.receive(person, "in1", planted)
	w.must(w.gateway.Inbound(w.t.Context(), message.Inbound{
		Channel: w.channel, RemoteID: "in2", From: person, To: shop, Content: message.Text(planted), Joint: message.Joint{Reference: 7, Total: 2, Number: 1},
	}))
	short := w.send(w.alice, message.Draft{To: person.Value, Content: message.Text("https://a.example/" + planted), Shorten: true})
	w.optOut(w.alice, person)
	w.ownNumber(w.alice, person)
	w.ownNumber(w.bob, person)
	c := gateway.Caller{Account: w.alice, Key: account.Key{Account: w.alice.ID}, By: audit.Actor{Name: "key:test"}}
	for _, key := range []string{"done", "call " + person.Value} {
		_, err := w.gateway.Do(c, gateway.Once{Key: key, Scope: "POST /x", Fingerprint: "f"}, func(*store.Tx) (gateway.Outcome, error) {
			return gateway.Outcome{Status: 201, Body: `{"to":"` + person.Value + `","text":"` + planted + `"}`}, nil
		})
		w.must(err)
	}
	w.write(func(tx *store.Tx) error {
		for _, i := range []issue.Issue{{Message: short, Description: planted, Email: "ann@example.com"}, {Description: planted + " for " + person.Value}} {
			i.Account, i.Kind = w.alice.ID, "SMS"
			if _, err := w.privacy.Issues.Open(tx, audit.System, i); err != nil {
				return err
			}
		}
		return nil
	})
	w.execute("INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, response, at) VALUES (1, 1, $1, $2, 1, 'message.sent', 1, 1, 200, $3, 1)",
		int64(w.alice.ID), int64(sent), planted+" "+person.Value)
	var own connection.Channel
	w.write(func(tx *store.Tx) (err error) {
		own, err = w.connections.Create(tx, audit.System, connection.Channel{Account: w.alice.ID, Name: "own", Driver: "scripted", Kind: message.SMS, Shards: 1, Enabled: true})
		return err
	})
	w.execute("INSERT INTO early_receipt (id, channel_id, remote_id, receipt, expires_at) VALUES (1, $1, 'r', $2, $3)",
		int64(own.ID), `{"To":"`+person.Value+`","Raw":"`+planted+`"}`, w.store.Now().Add(time.Hour).UnixMilli())
	w.execute("INSERT INTO inbound_part (channel_id, sender, recipient, reference, total, number, content, expires_at) VALUES ($1, $2, 'name:X', 1, 2, 1, $3, $4)",
		int64(own.ID), person.Value, planted, w.store.Now().Add(time.Hour).UnixMilli())
	return sent, waits, bobs
}

func TestNothingIsLeftOfAnErasedPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent, waits, bobs := w.plant()
	w.start()
	w.until("what is due to be blocked or sent", func() bool {
		m, err := w.gateway.Message(t.Context(), w.alice.ID, sent)
		w.must(err)
		return !m.Status.Waiting()
	})
	w.file(w.export(w.alice, person))
	before := w.column("SELECT count(*) FROM transfer")
	if len(w.sweep(w.bob.ID, person.Value[1:], planted)) < 300 {
		t.Fatal("nothing was planted")
	}

	e := w.erased(w.erase(w.alice, person))
	// The parts of a text wait for each other no longer than half an hour, and their job that long for them.
	for _, text := range w.sweep(w.bob.ID, person.Value[1:], planted) {
		if !strings.HasPrefix(text, "job.data: {\"ChannelID\"") {
			t.Errorf("left: %.200s", text)
		}
	}
	if e.Messages != 123 || e.Cancelled != 1 {
		t.Errorf("%d messages are erased and %d cancelled", e.Messages, e.Cancelled)
	}
	m, err := w.gateway.Message(t.Context(), w.alice.ID, waits)
	w.must(err)
	if m.Status != message.Cancelled || m.To != e.Mark || m.Content.Text != "" || m.Price == 0 {
		t.Errorf("what waited is %+v", m)
	}
	if m, err = w.gateway.Message(t.Context(), w.bob.ID, bobs); err != nil || m.To != person || m.Content.Text != planted {
		t.Errorf("Bob's is %+v, %v", m, err)
	}
	if after := w.column("SELECT count(*) FROM transfer"); after[0] < before[0] {
		t.Errorf("%s transfers are left of %s", after, before)
	}
	if outcome := w.column("SELECT outcome FROM idempotency WHERE key = 'done'"); len(outcome) != 1 || !strings.Contains(outcome[0], "201") {
		t.Errorf("a repeat is answered from %v", outcome)
	}
	if _, err := w.privacy.ReadErasure(t.Context(), w.bob.ID, e.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("Bob reads it: %v", err)
	}
	for _, a := range []account.Account{w.alice, w.bob} {
		p, own, err := w.policies.Get(t.Context(), &a)
		w.must(err)
		if !own || (p.OwnNumber == person) != (a.ID == w.bob.ID) {
			t.Errorf("the policy of %s is %+v", a.Name, p)
		}
	}
}

// ownNumber makes a number an account's own.
func (w *world) ownNumber(a account.Account, own message.Address) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := w.policies.Change(tx, audit.System, &a, func(p *policy.Policy) error {
			p.OwnNumber = own
			return nil
		})
		return err
	})
}

// submit tells how a message to the person is answered.
func (w *world) submit(a account.Account, text string) *fault.Fault {
	w.t.Helper()
	c := gateway.Caller{Account: a, Key: account.Key{Account: a.ID}, By: audit.Actor{Name: "key:test"}}
	reply, err := w.gateway.Submit(w.t.Context(), c, gateway.Request{Drafts: []message.Draft{{To: person.Value, Content: message.Text(text)}}})
	w.must(err)
	return reply.Results[0].Fault
}

func TestAnOptOutOutlivesItsPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.optOut(w.alice, person)
	w.start()
	e := w.erased(w.erase(w.alice, person))
	for _, again := range []func(){func() {}, func() { w.kill(); w.start() }} {
		again()
		if f := w.submit(w.alice, "hello"); f == nil || f.Code != fault.RecipientOptedOut {
			t.Fatalf("a message to who opted out: %v", f)
		}
		if o, ok, err := w.consent.Of(t.Context(), w.alice.ID, person); err != nil || !ok || o.Address != e.Mark {
			t.Errorf("the opt-out is %v, %v, %v", o, ok, err)
		}
	}
	if f := w.submit(w.bob, "hello"); f != nil {
		t.Errorf("Bob's message: %v", f)
	}
	choose := func(out bool) {
		w.write(func(tx *store.Tx) error {
			changed, err := w.consent.Record(tx, []consent.Choice{{Account: w.alice.ID, Address: person, Out: out, Source: "message"}})
			if err == nil && !changed[0] {
				t.Errorf("out = %v changes nothing", out)
			}
			return err
		})
	}
	choose(false)
	if f := w.submit(w.alice, "welcome back"); f != nil {
		t.Errorf("a message to who came back: %v", f)
	}
	choose(true)
	if f := w.submit(w.alice, "hello"); f == nil || f.Code != fault.RecipientOptedOut {
		t.Errorf("a message to who went again: %v", f)
	}
	log, err := w.consent.Log(t.Context(), w.alice.ID, person, 0, 10)
	w.must(err)
	if len(log) != 3 || len(w.sweep(w.bob.ID, "they called")) != 0 {
		t.Errorf("the log is %v", log)
	}
	if f := w.submit(w.alice, "x"); f == nil {
		t.Error("taken")
	}
}

func TestAnErasureGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 400 {
		w.send(w.alice, message.Draft{To: person.Value, Content: message.Text(fmt.Sprint(planted, i)), ScheduledAt: w.store.Now().Add(time.Hour)})
	}
	e := w.erase(w.alice, person)
	w.start()
	w.until("a first share", func() bool {
		now, err := w.privacy.ReadErasure(t.Context(), w.alice.ID, e.ID)
		w.must(err)
		return now.Messages > 0
	})
	w.kill()
	w.start()
	if e = w.erased(e); e.Messages != 400 || e.Cancelled != 400 {
		t.Errorf("%d messages are erased and %d cancelled", e.Messages, e.Cancelled)
	}
	if left := w.sweep(w.bob.ID, person.Value[1:], planted); len(left) != 0 {
		t.Errorf("left: %.500s", left)
	}
}

func TestWhatIsBeingSentEndsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken, release := make(chan struct{}), make(chan struct{})
	w.network.Answer = func(ctx context.Context, _ message.Outbound) (string, error) {
		close(taken)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return "n1", nil
	}
	w.start()
	at := w.send(w.alice, message.Draft{To: person.Value, Content: message.Text(planted)})
	<-taken
	e := w.erase(w.alice, person)
	later := w.send(w.alice, message.Draft{To: other.Value, Content: message.Text("not the person's"), ScheduledAt: w.store.Now().Add(time.Hour)})
	close(release)
	if e = w.erased(e); e.Messages != 1 || e.Cancelled != 0 {
		t.Errorf("%d messages are erased and %d cancelled", e.Messages, e.Cancelled)
	}
	m, err := w.gateway.Message(t.Context(), w.alice.ID, at)
	w.must(err)
	if m.Status != message.Sent || m.To != e.Mark {
		t.Errorf("the message is %+v", m)
	}
	if m, err = w.gateway.Message(t.Context(), w.alice.ID, later); err != nil || m.To != other || m.Status != message.Scheduled {
		t.Errorf("another's is %+v, %v", m, err)
	}
}

func TestAnErasureIsDoneAgainAfterARestore(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("there a backup is restored into another database; what follows is the same")
	}
	w := newWorld(t)
	id := w.send(w.alice, message.Draft{To: person.Value, Content: message.Text(planted), ScheduledAt: w.store.Now().Add(time.Hour)})
	at, file := store.Place{Dir: w.life.Dir}, filepath.Join(t.TempDir(), "backup")
	w.must(store.Backup(t.Context(), at, file))
	w.start()
	e := w.erased(w.erase(w.alice, person))
	w.stop()
	w.must(w.store.Close())

	w.must(store.Restore(t.Context(), at, file))
	w.open()
	m, err := w.gateway.Message(t.Context(), w.alice.ID, id)
	w.must(err)
	if m.Content.Text != planted {
		t.Fatal("the backup has nothing of the person")
	}
	later := w.send(w.alice, message.Draft{To: person.Value, Content: message.Text("after the restore"), ScheduledAt: w.store.Now().Add(time.Hour)})
	w.start()
	e.State = privacy.Running
	if again := w.erased(e); again.Messages != 1 || again.Mark.Kind != message.Erased {
		t.Errorf("again: %+v", again)
	}
	if left := w.sweep(w.bob.ID, planted); len(left) != 0 {
		t.Errorf("left: %.500s", left)
	}
	if m, err = w.gateway.Message(t.Context(), w.alice.ID, later); err != nil || m.To != person || m.Content.Text == "" {
		t.Errorf("what came later is %+v, %v", m, err)
	}
}
