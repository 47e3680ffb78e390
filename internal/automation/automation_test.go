package automation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

func TestEachActionDoesWhatItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.URL, Target: "https://example.com/", Webhook: automation.JSON})
	w.rule(automation.Rule{Action: automation.Poll})
	w.rule(automation.Rule{Action: automation.Poll, Name: "once more"})
	w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	w.rule(automation.Rule{Action: automation.SMS, Target: john.Value})
	w.rule(automation.Rule{Action: automation.EmailFixed, Target: "shop@example.com"})
	nothing := w.rule(automation.Rule{Action: automation.None})
	w.rule(automation.Rule{Action: automation.Poll, Account: w.bob.ID})
	w.start(true)
	w.receive(jane, shop, "Hello")
	w.quietly()
	sent := w.sent()
	slices.Sort(sent)
	same(t, "sent", sent, jane.Value+" "+shop.Value+" We call you.", john.Value+" "+shop.Value+" Hello")
	same(t, "posted", w.poster.got(), "json https://example.com/ message.received")
	same(t, "in the box", w.texts(automation.Inbound, true), "Hello received")
	mails := w.post.got()
	if len(mails) != 1 || mails[0].To != "shop@example.com" || mails[0].ID == "" || !strings.Contains(mails[0].Text, "Hello") || !strings.Contains(mails[0].Subject, jane.Value) {
		t.Errorf("mails: %+v", mails)
	}
	if r := w.now(nothing); r.Fired.IsZero() || r.Error != "" || !r.Failed.IsZero() {
		t.Errorf("%+v", r)
	}
	if list, err := w.Entries(t.Context(), w.bob.ID, automation.Inbound, false, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("Bob has %v, %v", list, err)
	}
}

func TestReceiptsFireTheirRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{About: automation.Receipts, Action: automation.Poll, Address: shop})
	w.rule(automation.Rule{About: automation.Receipts, Action: automation.SMS, Target: john.Value})
	w.rule(automation.Rule{About: automation.Receipts, Action: automation.URL, Target: "https://example.com/", Webhook: automation.Form})
	w.rule(automation.Rule{About: automation.Receipts, Action: automation.EmailFixed, Target: "shop@example.com"})
	w.rule(automation.Rule{About: automation.Receipts, Action: automation.Poll, Address: office})
	w.rule(automation.Rule{Action: automation.Poll}) // it is not about receipts
	w.start(true)
	w.send(jane, "Hello")
	w.quietly()
	w.report(jane, message.Failed, "undelivered")
	w.quietly()
	w.report(john, message.Delivered, "") // of what the rule has sent: that leads to no more
	w.quietly()
	same(t, "sent", w.sent(), jane.Value+" "+shop.Value+" Hello", john.Value+" TIDINGS Message to "+jane.Value+": failed (undelivered)")
	same(t, "posted", w.poster.got(), "post https://example.com/ message.failed", "post https://example.com/ message.delivered")
	same(t, "in the box", w.texts(automation.Receipts, true), "Hello failed")
	if mails := w.post.got(); len(mails) != 2 || mails[0].Subject != "Message to "+jane.Value+": failed (undelivered)" {
		t.Errorf("mails: %+v", mails)
	}
	w.report(jane, message.Delivered, "") // it was delivered after all
	w.quietly()
	same(t, "in the box", w.texts(automation.Receipts, true), "Hello failed", "Hello delivered")
}

func TestRulesOfOneMessageFireInTheirOrderAndTenAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 12 {
		w.rule(automation.Rule{Action: automation.URL, Target: fmt.Sprintf("https://example.com/%d", i), Search: automation.Contains, Term: "ell"})
	}
	first := w.rule(automation.Rule{Action: automation.URL, Target: "https://example.com/no", Search: automation.StartsWith, Term: "ell"})
	w.receive(jane, shop, "Hello")
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("native https://example.com/%d message.received", i))
	}
	same(t, "posted", w.poster.got(), want...)
	if r := w.now(first); !r.Fired.IsZero() {
		t.Error("a rule that does not match has fired")
	}
}

// A server that dies between the message and the answer, or between the answer and the note of it, answers once.
func TestWhatARuleSendsIsSentOnceWhateverDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	w.rule(automation.Rule{Action: automation.SMS, Target: john.Value})
	w.start(false)
	w.receive(jane, shop, "Hello")
	w.kill() // before any rule did anything
	w.must(w.queue.Recover(t.Context()))
	if n := w.doJobs(); n != 2 { // it has sent, and dies before it notes so
		t.Errorf("%d jobs", n)
	}
	w.kill()
	w.start(true)
	w.quietly()
	sent := w.sent()
	slices.Sort(sent)
	same(t, "sent", sent, jane.Value+" "+shop.Value+" We call you.", john.Value+" "+shop.Value+" Hello")
	page, err := w.gateway.List(t.Context(), w.alice.ID, gateway.Filter{Limit: 10})
	if err != nil || len(page.Messages) != 3 {
		t.Errorf("%d messages, %v", len(page.Messages), err)
	}
}

func TestAnAnswerIsGivenOncePerMinuteAndSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.rule(automation.Rule{Action: automation.AutoReply, Target: "One."})
	w.rule(automation.Rule{Action: automation.AutoReply, Target: "Two.", Search: automation.Contains, Term: "2"})
	w.start(true)
	w.receive(jane, shop, "a")
	w.receive(jane, shop, "b 2")
	w.receive(john, shop, "c")
	w.quietly()
	sent := w.sent()
	slices.Sort(sent)
	same(t, "sent", sent, jane.Value+" "+shop.Value+" One.", jane.Value+" "+shop.Value+" Two.", john.Value+" "+shop.Value+" One.")
	w.store.Shift(61 * time.Second)
	for _, want := range []bool{true, false} {
		w.write(func(tx *store.Tx) error {
			more, err := w.DropPauses(tx)
			if more != want {
				t.Errorf("there may be more: %t", more)
			}
			return err
		})
	}
	w.receive(jane, shop, "d")
	w.quietly()
	if n := len(w.sent()); n != 4 {
		t.Errorf("%d were sent after a minute", n)
	}
}

func TestNothingTalksToItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer := w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	w.rule(automation.Rule{Action: automation.SMS, Target: john.Value})
	w.start(true)
	for what, m := range map[string]message.Inbound{
		"a number of ours": {From: office, To: shop},
		"our sender":       {From: message.Address{Kind: message.Name, Value: "TIDINGS"}, To: shop},
		"our own":          {From: shop, To: shop},
	} {
		m.Channel, m.RemoteID, m.Content = w.channel, what, message.Text("Hello")
		w.must(w.gateway.Inbound(t.Context(), m))
	}
	w.quietly()
	same(t, "sent to our own", w.sent())
	w.receive(john, shop, "what was forwarded comes back")
	w.quietly()
	same(t, "sent to who gets what is forwarded", w.sent(), john.Value+" "+shop.Value+" We call you.")

	for _, word := range []string{"STOP", "START", "HELP"} { // the server answers these
		w.receive(jane, shop, word)
		w.store.Shift(2 * time.Minute)
	}
	w.quietly()
	if n := count(w.sent(), jane.Value+" "+shop.Value+" We call you."); n != 0 {
		t.Errorf("words that the server answers were answered %d times", n)
	}
	w.write(func(tx *store.Tx) error {
		return w.consent.SetReplies(tx, audit.System, w.alice.ID, consent.Replies{Off: true})
	})
	w.receive(jane, shop, "HELP")
	w.quietly()
	if n := count(w.sent(), jane.Value+" "+shop.Value+" We call you."); n != 1 {
		t.Errorf("a word that nobody else answers was answered %d times", n)
	}

	w.store.Shift(2 * time.Minute) // a machine answers our answer with the words that it always has
	w.receive(jane, shop, "help")
	w.store.Shift(2 * time.Minute)
	w.receive(jane, shop, "I have another question")
	w.quietly()
	if n := count(w.sent(), jane.Value+" "+shop.Value+" We call you."); n != 2 {
		t.Errorf("answered %d times, and one was a machine", n)
	}
	if r := w.now(answer); r.Error != "" {
		t.Error(r.Error)
	}
	short := message.Address{Kind: message.Short, Value: "12345"}
	w.receive(short, shop, "Your code is 1")
	w.quietly()
	if got := w.sent(); count(got, john.Value+" "+shop.Value+" Your code is 1") != 1 || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, short.Value) }) {
		t.Errorf("a short code's text: %q", got)
	}
}

func count(list []string, one string) (n int) {
	for _, s := range list {
		if s == one {
			n++
		}
	}
	return n
}

func TestWhatCannotBeSentIsToldOnTheRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	forward := w.rule(automation.Rule{Action: automation.SMS, Target: "0701234568", Search: automation.Contains, Term: "forward"})
	if forward.Target != john.Value {
		t.Errorf("it is forwarded to %s", forward.Target)
	}
	w.write(func(tx *store.Tx) error {
		_, err := w.gateway.Choose(tx, []consent.Choice{{Account: w.alice.ID, Address: jane, Out: true, Source: "api"}})
		return err
	})
	w.start(true)
	w.receive(jane, shop, "Hello")
	w.quietly()
	if now := w.now(r); !strings.Contains(now.Error, "does not want messages") || now.Failed.IsZero() || now.Fired.IsZero() {
		t.Errorf("opted out: %+v", now)
	}
	w.write(func(tx *store.Tx) error {
		return w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "254", Amount: 900_000_000}})
	})
	w.receive(message.Address{Kind: message.Phone, Value: "+254701234569"}, shop, "forward")
	w.quietly()
	for _, which := range []automation.Rule{r, forward} {
		if now := w.now(which); !strings.Contains(now.Error, "balance") {
			t.Errorf("no balance: %+v", now)
		}
	}
	same(t, "sent", w.sent())
}

func TestMailIsTriedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post.err = errAway
	r := w.rule(automation.Rule{Action: automation.EmailUser, Target: "owner@example.com"})
	w.start(true)
	w.receive(jane, shop, "Hello")
	w.until("a try", func() bool {
		lanes, err := w.queue.Lanes(t.Context())
		return err == nil && slices.ContainsFunc(lanes, func(l queue.LaneState) bool { return l.Lane == "rule" && l.Oldest.After(w.store.Now()) })
	})
	w.post.mu.Lock()
	w.post.err = nil
	w.post.mu.Unlock()
	w.store.Shift(time.Minute)
	w.until("the mail", func() bool { return len(w.post.got()) == 1 })
	w.quietly()
	if now := w.now(r); now.Error != "" {
		t.Error(now.Error)
	}
}

func TestWhatIsTooLateIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	w.receive(jane, shop, "Hello")
	w.store.Shift(2 * time.Hour)
	w.start(true)
	w.until("the end", func() bool { return w.now(r).Error != "" })
	same(t, "sent", w.sent())
	if now := w.now(r); !strings.Contains(now.Error, "in time") {
		t.Error(now.Error)
	}
}

func TestARuleThatIsChangedDoesAsItNowSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rule(automation.Rule{Action: automation.URL, Target: "https://example.com/a"})
	if r.Endpoint == 0 || r.Number != 1 {
		t.Errorf("%+v", r)
	}
	change := func(edit func(*automation.Rule)) automation.Rule {
		t.Helper()
		now, err := w.Change(t.Context(), tester, w.alice.ID, r.ID, func(one *automation.Rule) error { edit(one); return nil })
		w.must(err)
		return now
	}
	w.receive(jane, shop, "1")
	change(func(r *automation.Rule) { r.Target, r.Webhook = "https://example.com/b", automation.Query })
	w.receive(jane, shop, "2")
	change(func(r *automation.Rule) { r.Enabled = false })
	w.receive(jane, shop, "3")
	if now := change(func(r *automation.Rule) { r.Action, r.Enabled = automation.Poll, true }); now.Endpoint != 0 || len(w.poster.open) != 0 {
		t.Errorf("%+v, %v", now, w.poster.open)
	}
	w.receive(jane, shop, "4")
	change(func(r *automation.Rule) { r.Action, r.Webhook, r.Target = automation.URL, "", "https://example.com/c" })
	w.poster.shut = true
	w.receive(jane, shop, "5")
	same(t, "posted", w.poster.got(), "native https://example.com/a message.received", "get https://example.com/b message.received", "native https://example.com/c message.received")
	same(t, "in the box", w.texts(automation.Inbound, true), "4 received")
	if now := w.now(r); !strings.Contains(now.Error, "disabled") {
		t.Errorf("its endpoint takes nothing: %+v", now)
	}
	w.write(func(tx *store.Tx) error { return w.Delete(tx, tester, w.alice.ID, r.ID) })
	w.receive(jane, shop, "6")
	if n := len(w.poster.got()); n != 3 || len(w.poster.open) != 0 {
		t.Errorf("%d posts after its end, %v", n, w.poster.open)
	}
	if _, err := w.Get(t.Context(), w.alice.ID, r.ID); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
	if next := w.rule(automation.Rule{Action: automation.Poll}); next.Number != 2 {
		t.Errorf("its number is given again: %d", next.Number)
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("a", 2049)
	for what, c := range map[string]struct {
		rule  automation.Rule
		field string
	}{
		"no action":                  {automation.Rule{}, "action"},
		"an action of others":        {automation.Rule{Action: "GROUP_SMS", Target: "1"}, "action"},
		"a name in two lines":        {automation.Rule{Name: "a\nb", Action: automation.Poll}, "name"},
		"a long name":                {automation.Rule{Name: long, Action: automation.Poll}, "name"},
		"about nothing":              {automation.Rule{About: 3, Action: automation.Poll}, "on"},
		"another kind":               {automation.Rule{Kind: "fax", Action: automation.Poll}, "kind"},
		"another search":             {automation.Rule{Search: 4, Action: automation.Poll}, "search"},
		"nothing to look for":        {automation.Rule{Search: automation.Contains, Term: "  ", Action: automation.Poll}, "term"},
		"a long term":                {automation.Rule{Search: automation.Contains, Term: long, Action: automation.Poll}, "term"},
		"a receipt's text":           {automation.Rule{About: automation.Receipts, Search: automation.Contains, Term: "a", Action: automation.Poll}, "search"},
		"a long target":              {automation.Rule{Action: automation.None, Target: long}, "target"},
		"no address":                 {automation.Rule{Action: automation.URL}, "target"},
		"an address inside":          {automation.Rule{Action: automation.URL, Target: "https://10.0.0.1/"}, "target"},
		"another way to post":        {automation.Rule{Action: automation.URL, Target: "https://example.com/", Webhook: "put"}, "webhook"},
		"no answer":                  {automation.Rule{Action: automation.AutoReply, Target: " "}, "target"},
		"a long answer":              {automation.Rule{Action: automation.AutoReply, Target: long[:1531]}, "target"},
		"an answer to a receipt":     {automation.Rule{About: automation.Receipts, Action: automation.AutoReply, Target: "a"}, "action"},
		"no number":                  {automation.Rule{Action: automation.SMS}, "target"},
		"letters for a number":       {automation.Rule{Action: automation.SMS, Target: "call me"}, "target"},
		"no mail address":            {automation.Rule{Action: automation.EmailFixed, Target: "shop"}, "target"},
		"nobody with a mail address": {automation.Rule{Action: automation.EmailUser}, "target"},
	} {
		if c.rule.Name == "" {
			c.rule.Name = "rule"
		}
		if _, err := w.tryRule(c.rule); fault.Of(err) == nil || fault.Of(err).Field != c.field {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.Sender = nil
	if _, err := w.tryRule(automation.Rule{Action: automation.EmailFixed, Target: "shop@example.com"}); !fault.Is(err, fault.NotSupported) {
		t.Errorf("mail that the server does not send: %v", err)
	}
	for range 100 {
		w.rule(automation.Rule{Action: automation.None})
	}
	if _, err := w.tryRule(automation.Rule{Action: automation.None}); !fault.Is(err, fault.TooManyItems) {
		t.Errorf("the 101st: %v", err)
	}
	if _, err := w.Change(t.Context(), tester, w.bob.ID, firstRule(t, w), func(*automation.Rule) error { return nil }); !fault.Is(err, fault.NotHere) {
		t.Errorf("another's rule is changed: %v", err)
	}
	if _, err := w.Numbered(t.Context(), w.alice.ID, automation.Receipts, 1); !fault.Is(err, fault.NotHere) {
		t.Errorf("a rule about something else: %v", err)
	}
}

func firstRule(t *testing.T, w *world) automation.ID {
	t.Helper()
	list, err := w.All(t.Context(), w.alice.ID, automation.Inbound)
	if err != nil || len(list) != 100 {
		t.Fatal(len(list), err)
	}
	return list[0].ID
}

// Two servers know the same rules, whichever of them was told.
func TestServersBesideEachOtherKnowTheSameRules(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("several servers need PostgreSQL")
	}
	w := newWorld(t)
	other := w.beside()
	w.start(true)
	w.receive(jane, shop, "none yet")
	other.receive(jane, shop, "none yet")
	r := w.rule(automation.Rule{Action: automation.AutoReply, Target: "We call you."})
	w.rule(automation.Rule{Action: automation.Poll})
	other.receive(jane, shop, "Hello")
	w.receive(jane, shop, "within a minute")
	w.quietly()
	same(t, "sent", w.sent(), jane.Value+" "+shop.Value+" We call you.")
	same(t, "in the box", other.texts(automation.Inbound, true), "Hello received", "within a minute received")
	other.write(func(tx *store.Tx) error { return other.Delete(tx, tester, w.alice.ID, r.ID) })
	w.store.Shift(2 * time.Minute)
	w.receive(jane, shop, "after its end")
	w.quietly()
	if n := len(w.sent()); n != 1 {
		t.Errorf("%d were sent", n)
	}
}

func TestKeywordsKeepToTheirNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := message.Address{Kind: message.Phone, Value: "+254711000009"}
	w.write(func(tx *store.Tx) error {
		_, err := w.numbers.Assign(tx, audit.System, number.Number{Account: w.alice.ID, Channel: w.channel, Address: second})
		return err
	})
	w.rule(automation.Rule{Action: automation.Poll, Address: second, Search: automation.StartsWith, Term: "JOIN", Kind: message.SMS})
	w.rule(automation.Rule{Action: automation.Poll, Kind: message.WhatsApp})
	w.receive(jane, shop, "join")
	w.receive(jane, second, " join us")
	w.receive(jane, second, "to join")
	same(t, "in the box", w.texts(automation.Inbound, true), " join us received")
}

func TestRowsOfRulesAreWrittenInOneOrder(t *testing.T) {
	t.Parallel()
	fired := map[automation.ID]automation.Rule{}
	for i := range 20 {
		fired[automation.ID(i+1)] = automation.Rule{}
	}
	if order := automation.InOrder(fired); len(order) != len(fired) || !slices.IsSorted(order) {
		t.Errorf("%v", order)
	}
}
