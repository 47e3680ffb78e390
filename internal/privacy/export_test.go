package privacy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/issue"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/template"
)

// count tells how many lines there are of each type.
func count(lines []map[string]any) map[string]int {
	n := map[string]int{}
	for _, l := range lines {
		n[fmt.Sprint(l["type"])]++
	}
	return n
}

func (w *world) optOut(a account.Account, who message.Address) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := w.consent.Record(tx, []consent.Choice{{Account: a.ID, Address: who, Out: true, Source: "api", Actor: "key:test", Note: "they called"}})
		return err
	})
}

func TestAnExportHoldsAllOfTheAccountAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	for i := range 120 {
		w.send(w.alice, message.Draft{To: fmt.Sprintf("+2547020000%02d", i%100), Content: message.Text(fmt.Sprintf("to other %d", i))})
	}
	mine := w.send(w.alice, message.Draft{To: person.Value, Content: message.Text("to the person https://a.example/1"), Reference: "r1", Shorten: true})
	w.send(w.bob, message.Draft{To: person.Value, Content: message.Text("bob's")})
	w.receive(person, "i1", "from the person")
	w.optOut(w.alice, other)
	w.optOut(w.bob, person)
	w.ownNumber(w.alice, other)
	w.ownNumber(w.bob, person)
	w.write(func(tx *store.Tx) error {
		for _, a := range []account.Account{w.alice, w.bob} {
			if _, err := w.policies.Request(tx, audit.System, a.ID, "KE", message.Address{Kind: message.Name, Value: "ACME"}); err != nil {
				return err
			}
			if _, err := w.privacy.Templates.Create(tx, audit.System, template.Template{Account: a.ID, Name: "t", Body: a.Name + "'s"}); err != nil {
				return err
			}
			if _, err := w.privacy.Issues.Open(tx, audit.System, issue.Issue{Account: a.ID, Kind: "SMS", Description: a.Name + "'s"}); err != nil {
				return err
			}
		}
		_, err := w.keys.Create(tx, audit.System, key.Key{Account: w.alice.ID, Scopes: account.Scopes{account.MessagesRead}}, false)
		return err
	})
	w.until("all to be sent", func() bool {
		m, err := w.gateway.Message(t.Context(), w.alice.ID, mine)
		w.must(err)
		return m.Status == message.Sent
	})

	all := w.file(w.export(w.alice, message.Address{}))
	got := count(all)
	for kind, want := range map[string]int{"export": 1, "message": 122, "opt_out": 1, "consent": 1, "event": 1, "key": 1, "usage": 1, "policy": 1, "registration": 1, "profile": 1, "template": 1, "issue": 1} {
		if got[kind] != want {
			t.Errorf("%d lines of %s, want %d", got[kind], kind, want)
		}
	}
	if got["wallet_entry"] < 122 {
		t.Errorf("%d entries of the wallet", got["wallet_entry"])
	}
	if text := fmt.Sprint(all); strings.Contains(text, "bob's") || !strings.Contains(text, "from the person") {
		t.Error("the export holds what is another's, or lacks what is the account's")
	}

	one := w.file(w.export(w.alice, person))
	if got := count(one); got["message"] != 2 || len(one) != 3 {
		t.Errorf("about one person: %v", one)
	}
	for _, l := range one {
		if l["id"] == mine.String() && (len(l["parts"].([]any)) != 1 || len(l["events"].([]any)) != 1 || l["client_reference"] != "r1" || len(l["links"].([]any)) != 1 || !strings.Contains(fmt.Sprint(l["links"]), "target:https://a.example/1")) {
			t.Errorf("the message is %v", l)
		}
	}
	if got := count(w.file(w.export(w.alice, other))); got["opt_out"] != 1 || got["consent"] != 1 || got["event"] != 1 || got["message"] != 0 {
		t.Errorf("about who opted out: %v", got)
	}
}

func TestAnExportGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("the quick brown fox ", 100)
	for i := range 300 {
		w.send(w.alice, message.Draft{To: person.Value, Content: message.Text(fmt.Sprint(i, " ", long))})
	}
	e := w.export(w.alice, message.Address{})
	w.start()
	w.until("a first piece", func() bool {
		now, err := w.privacy.ReadExport(t.Context(), w.alice.ID, e.ID)
		w.must(err)
		return now.Lines > 0
	})
	w.kill()
	w.start()
	seen := map[any]bool{}
	for _, l := range w.file(e) {
		if l["type"] == "message" {
			if seen[l["id"]] {
				t.Fatal("a message is there twice")
			}
			seen[l["id"]] = true
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d messages of 300", len(seen))
	}
}

func TestAnExportIsItsAccountsAloneAndEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.export(w.alice, person)
	if _, err := w.privacy.ReadExport(t.Context(), w.bob.ID, e.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("Bob reads it: %v", err)
	}
	w.export(w.alice, person)
	w.export(w.alice, person)
	err := w.store.Write(func(tx *store.Tx) error {
		_, err := w.privacy.StartExport(tx, audit.System, w.alice.ID, person)
		return err
	})
	if !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("a fourth at a time: %v", err)
	}
	if bobs, err := w.privacy.Exports(t.Context(), w.bob.ID, 0, 10); err != nil || len(bobs) != 0 {
		t.Errorf("Bob lists %v, %v", bobs, err)
	}
	if list, err := w.privacy.Exports(t.Context(), w.alice.ID, 0, 2); err != nil || len(list) != 2 || list[1].ID <= e.ID {
		t.Errorf("Alice lists %v, %v", list, err)
	}
	w.start()
	w.file(e)
	w.store.Shift(7*24*time.Hour + time.Minute)
	if _, err := w.privacy.ReadExport(t.Context(), w.alice.ID, e.ID); !fault.Is(err, fault.NotHere) {
		t.Errorf("after its time: %v", err)
	}
	for more := true; more; {
		w.write(func(tx *store.Tx) (err error) {
			more, err = w.privacy.Drop(tx)
			return err
		})
	}
	for _, table := range []string{"export", "export_piece"} {
		var n int
		w.must(w.store.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
}
