package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/route"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
	"tidings.dev/internal/wallet"
)

// still is a world in which nothing is sent: messages are accepted and wait.
func still(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, life: storetest.NewLife(t), network: &channeltest.Scripted{}}
	w.open()
	w.settle()
	return w
}

// rules gives an account a policy.
func (w *world) rules(a account.Account, edit func(*policy.Policy)) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		_, err := w.policies.Change(tx, audit.System, &a, func(p *policy.Policy) error {
			edit(p)
			return nil
		})
		return err
	})
}

// repeats sets the window of an account; below zero: it has none of its own.
func (w *world) repeats(a account.Account, window time.Duration) {
	w.t.Helper()
	w.rules(a, func(p *policy.Policy) {
		if p.Window = &window; window < 0 {
			p.Window = nil
		}
	})
}

// fates are what became of each draft, in short.
func fates(results []gateway.Result) (codes []fault.Code) {
	for _, r := range results {
		code := fault.Code("")
		if r.Fault != nil {
			code = r.Fault.Code
		}
		codes = append(codes, code)
	}
	return codes
}

// wantFates submits a request, and holds what becomes of each draft against what the preview said and what is wanted.
func (w *world) wantFates(what string, c gateway.Caller, r gateway.Request, want ...fault.Code) {
	w.t.Helper()
	previews, err := w.gateway.Preview(w.t.Context(), c, r.Drafts)
	w.must(err)
	var shown []gateway.Result
	for _, p := range previews {
		shown = append(shown, gateway.Result{Fault: p.Fault})
	}
	if got := fates(shown); fmt.Sprint(got) != fmt.Sprint(want) && r.RepeatWindow == 0 {
		w.t.Errorf("%s: the preview shows %q, want %q", what, got, want)
	}
	reply, err := w.gateway.Submit(w.t.Context(), c, r)
	w.must(err)
	if got := fates(reply.Results); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// register has the operator approve a sender for an account.
func (w *world) register(a account.Account, country, sender string) policy.Registration {
	w.t.Helper()
	var r policy.Registration
	w.write(func(tx *store.Tx) (err error) {
		if r, err = w.policies.Request(tx, audit.System, a.ID, country, message.Address{Kind: message.Name, Value: sender}); err != nil {
			return err
		}
		r, err = w.policies.Decide(tx, audit.System, r.ID, policy.Approved, "")
		return err
	})
	return r
}

func TestAnAccountSendsToItsCountriesOnly(t *testing.T) {
	t.Parallel()
	w := still(t)
	w.write(func(tx *store.Tx) error {
		return w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "1"}, {Currency: "KES", Prefix: "49"}})
	})
	alice := w.caller(w.alice)
	kenya, germany, nowhere := draft(phone(1), "x"), draft("+4915112345678", "x"), draft("+15550000000", "x")
	w.wantFates("without a policy", alice, requestOf(kenya, germany, nowhere), "", "", "")
	w.rules(w.alice, func(p *policy.Policy) { p.Countries = []string{"ke", "UG", "KE"} })
	w.wantFates("Kenya and Uganda only", alice, requestOf(germany, kenya, nowhere), fault.CountryNotAllowed, "", fault.CountryNotAllowed)
	if f := w.refused(germany, fault.CountryNotAllowed); f.Field != "to" {
		t.Errorf("the fault is in %q", f.Field)
	}
	w.wantFates("another account", w.caller(w.account()), requestOf(germany), "")
	w.rules(w.alice, func(p *policy.Policy) { p.Countries = nil })
	w.wantFates("all countries again", alice, requestOf(germany), "")
}

func TestSomeCountriesNeedARegisteredSender(t *testing.T) {
	t.Parallel()
	w := still(t)
	alice, bob := w.caller(w.alice), w.caller(w.account())
	acme := draft(phone(1), "x")
	acme.From = "ACME"
	plain := draft(phone(1), "x") // by the channel's own sender
	ours := w.register(w.alice, "KE", "ACME")
	w.wantFates("nobody asks for it", bob, requestOf(acme, plain), "", "")

	w.rules(bob.Account, func(p *policy.Policy) { p.Registered = []string{"KE"} })
	w.wantFates("Bob asks it of himself", bob, requestOf(acme), fault.SenderNotRegistered)
	w.wantFates("and not of Alice", alice, requestOf(plain), "")

	w.write(func(tx *store.Tx) error {
		_, err := w.policies.SetServerCountries(tx, audit.System, w.alice.ID, []string{"KE"})
		return err
	})
	w.wantFates("the server asks it of all", alice, requestOf(acme, plain), "", fault.SenderNotRegistered)
	if f := w.refused(plain, fault.SenderNotRegistered); f.Field != "from" {
		t.Errorf("the fault is in %q", f.Field)
	}

	w.rules(w.alice, func(p *policy.Policy) { p.OwnNumber = message.Address{Kind: message.Phone, Value: phone(1)} })
	w.wantFates("to the own number alone", alice, requestOf(plain), "")
	w.wantFates("twice to it alone", alice, requestOf(plain, plain), "", "")
	w.wantFates("to the own number and another", alice, requestOf(plain, draft(phone(2), "x")), fault.SenderNotRegistered, fault.SenderNotRegistered)
	here, abroad := plain, plain
	here.To, abroad.To, abroad.Region = "0700000001", "0700000001", "UG"
	w.wantFates("to the own number in words of the country", alice, requestOf(here), "")
	w.wantFates("to the same words in two countries", alice, requestOf(here, abroad), fault.SenderNotRegistered, fault.NoPrice)
	w.wantFates("to another alone", alice, requestOf(draft(phone(2), "x")), fault.SenderNotRegistered)
	w.wantFates("to somebody else's own number", bob, requestOf(plain), fault.SenderNotRegistered)

	w.write(func(tx *store.Tx) error {
		_, err := w.policies.Decide(tx, audit.System, ours.ID, policy.Refused, "not yours")
		return err
	})
	acme.To = phone(3)
	w.wantFates("once it is refused", alice, requestOf(acme), fault.SenderNotRegistered)
}

// TestAnotherChannelsSenderMustBeRegisteredToo has a channel fail whose own sender is registered, while that of the next one is not.
func TestAnotherChannelsSenderMustBeRegisteredToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSpare, (*world).stall)
	w.write(func(tx *store.Tx) error {
		if err := w.wallet.SetPrices(tx, audit.System, []wallet.Price{{Currency: "KES", Prefix: "256"}}); err != nil {
			return err
		}
		_, err := w.gateway.ChangeChannel(tx, audit.System, w.second, func(c *connection.Channel) error {
			c.Sender = message.Address{Kind: message.Name, Value: "SPARE"}
			return nil
		})
		return err
	})
	w.rules(w.alice, func(p *policy.Policy) { p.Registered = []string{"KE"} })
	w.register(w.alice, "KE", "TIDINGS")
	w.register(w.alice, "KE", "ACME")
	named := draft(phone(1), "by a sender of our own")
	named.From = "ACME"
	stays, goes, elsewhere := w.send(draft(phone(2), "by the channel's sender")), w.send(named), w.send(draft("+256701234567", "where nobody asks"))
	w.sends(1)
	w.goes(w.channel, connection.Down)
	w.await(goes, message.Sent)
	w.await(elsewhere, message.Sent)
	if m := w.message(elsewhere); m.From.Value != "SPARE" {
		t.Errorf("elsewhere it is from %s", m.From)
	}
	if m := w.message(stays); m.Channel != w.channel || !m.Status.Waiting() {
		t.Errorf("it went as %s", m.From)
	}
	w.register(w.alice, "KE", "SPARE")
	w.await(stays, message.Sent)
}

func TestASubaccountHasItsParentsPolicy(t *testing.T) {
	t.Parallel()
	w := still(t)
	sub := w.account()
	w.write(func(tx *store.Tx) (err error) {
		sub, err = w.members.Create(tx, audit.System, account.Account{Name: "shop", Region: "KE", Currency: "KES", Parent: w.alice.ID, ParentPays: true}, "shop", "")
		return err
	})
	w.rules(w.alice, func(p *policy.Policy) { p.MaxParts, p.Registered = 1, []string{"KE"} })
	w.register(w.alice, "KE", "ACME")
	long, short := draft(phone(1), long(2)), draft(phone(1), "x")
	long.From, short.From = "ACME", "ACME"
	shop := w.caller(sub)
	w.wantFates("its parent's", shop, requestOf(short, long), "", fault.TextTooLong)
	w.rules(sub, func(p *policy.Policy) { p.MaxParts = 2 })
	w.wantFates("its own", shop, requestOf(long, draft(phone(1), "x")), "", fault.SenderNotRegistered)
	w.wantFates("not its parent", w.caller(w.alice), requestOf(long), fault.TextTooLong)
	w.write(func(tx *store.Tx) error {
		dropped, err := w.policies.Drop(tx, audit.System, sub.ID)
		if !dropped {
			t.Error("it had no policy")
		}
		return err
	})
	w.wantFates("its parent's again", shop, requestOf(long), fault.TextTooLong)
}

func TestAMessageHasNoMorePartsThanItsAccountSends(t *testing.T) {
	t.Parallel()
	w := still(t)
	w.rules(w.alice, func(p *policy.Policy) { p.MaxParts = 2 })
	w.wantFates("three of two", w.caller(w.alice), requestOf(draft(phone(1), long(2)), draft(phone(1), long(3))), "", fault.TextTooLong)
	if f := w.refused(draft(phone(1), long(3)), fault.TextTooLong); f.Field != "text" || f.Text != "the text has 3 parts; the account sends at most 2" {
		t.Error(f)
	}
}

func TestAnIdenticalMessageIsRefusedForAWhile(t *testing.T) {
	t.Parallel()
	w := still(t)
	alice := w.caller(w.alice)
	hello := requestOf(draft(phone(1), "hello"))
	w.wantFates("without a window", alice, hello, "")
	w.wantFates("without a window, again", alice, hello, "")
	if n := w.count("sent_lately"); n != 0 {
		t.Errorf("%d marks of an account without a window", n)
	}

	w.repeats(w.alice, time.Hour)
	w.wantFates("what was sent before counts for nothing", alice, hello, "")
	w.wantFates("again", alice, hello, fault.RepeatedMessage)
	other := draft(phone(1), "hello")
	other.ScheduledAt = w.store.Now().Add(time.Hour)
	w.wantFates("another text, person, time", alice, requestOf(draft(phone(1), "Hello"), draft(phone(2), "hello"), other), "", "", "")
	test := alice
	test.Key.Test = true
	w.wantFates("a test key", test, hello, "")
	w.wantFates("a test key, again", test, hello, fault.RepeatedMessage)
	w.wantFates("another account", w.caller(w.account()), hello, "")
	w.wantFates("twice in one request", alice, requestOf(draft(phone(3), "x"), draft(phone(3), "x"), draft(phone(4), "x")), "", fault.RepeatedMessage, "")
	w.wantFates("all or nothing", alice, gateway.Request{
		Drafts: []message.Draft{draft(phone(5), "x"), draft(phone(6), "x")}, Whole: []fault.Code{fault.RepeatedMessage},
	}, "", "")

	keyed := gateway.Request{Drafts: []message.Draft{draft(phone(7), "x")}, Key: "k", Scope: "POST /x", Fingerprint: "f"}
	for i := range 2 {
		reply, err := w.submit(keyed)
		w.must(err)
		if reply.Results[0].Fault != nil || reply.Replayed != (i == 1) {
			t.Errorf("the request with a key, time %d: %+v", i, reply)
		}
	}

	w.stop()
	w.must(w.store.Close())
	w.open()
	w.wantFates("after a restart", alice, hello, fault.RepeatedMessage)
	w.store.Shift(time.Hour)
	w.wantFates("an hour later", alice, hello, "")
	w.store.Shift(2 * time.Hour)
	w.must(w.gateway.Retain(t.Context(), new(message.ID)))
	if n := w.count("sent_lately"); n != 0 {
		t.Errorf("%d marks are left after their time", n)
	}
}

func TestARequestAsksForAWindow(t *testing.T) {
	t.Parallel()
	w := still(t)
	alice, hello := w.caller(w.alice), requestOf(draft(phone(1), "hello"))
	hello.RepeatWindow = 5 * time.Second
	w.wantFates("asked for", alice, hello, "")
	w.wantFates("asked for, again", alice, hello, fault.RepeatedMessage)
	w.repeats(w.alice, 0)
	w.wantFates("the account wants none", alice, hello, "")
	w.repeats(w.alice, time.Hour)
	w.store.Shift(time.Minute)
	w.wantFates("the account wants more", alice, hello, fault.RepeatedMessage)
	w.repeats(w.alice, -1)
	w.wantFates("the account has no wish any more", alice, hello, "")
}

// TestWhatIsRefusedIsNoRepeat looks at messages that are refused for another reason: the same may be sent afterwards.
func TestWhatIsRefusedIsNoRepeat(t *testing.T) {
	t.Parallel()
	w := still(t)
	alice := w.caller(w.alice)
	w.repeats(w.alice, time.Hour)
	hello := draft(phone(1), "hello")

	out := consent.Choice{Account: w.alice.ID, Address: message.Address{Kind: message.Phone, Value: phone(1)}, Out: true, Source: "api"}
	choose := func(c consent.Choice) {
		w.write(func(tx *store.Tx) error {
			_, err := w.gateway.Choose(tx, []consent.Choice{c})
			return err
		})
	}
	choose(out)
	w.wantFates("opted out", alice, requestOf(hello), fault.RecipientOptedOut)
	out.Out = false
	choose(out)

	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, price-funds, "") })
	broke := gateway.Request{Drafts: []message.Draft{hello, draft(phone(2), "x")}, Whole: []fault.Code{fault.InsufficientBalance}}
	reply, err := w.submit(broke)
	w.must(err)
	if got := fmt.Sprint(fates(reply.Results)); got != "[insufficient_balance insufficient_balance]" {
		t.Error("refused as a whole:", got)
	}
	w.wantFates("two parts for the money of one", alice, requestOf(draft(phone(3), long(2)), draft(phone(3), long(2))), fault.InsufficientBalance, fault.InsufficientBalance)
	w.wantFates("what was never sent", alice, requestOf(hello), "")
	w.wantFates("what was sent", alice, requestOf(hello), fault.RepeatedMessage)
	w.write(func(tx *store.Tx) error { return w.wallet.TopUp(tx, audit.System, w.alice.ID, funds, "") })
	w.wantFates("once there is money", alice, requestOf(draft(phone(3), long(2))), "")
	w.wantMoney(0, 3)
}

// spent is a caller of Alice's whose key may spend nothing more today.
func (w *world) spent() gateway.Caller {
	w.t.Helper()
	c := w.limited(1)
	w.wantFates("all that the key may spend", c, requestOf(draft(phone(99), "x")), "")
	return c
}

// TestWhatIsTakenBackLeavesWhatWasBefore has a message refused after the window of an identical one, and asks for a longer window then.
func TestWhatIsTakenBackLeavesWhatWasBefore(t *testing.T) {
	t.Parallel()
	w := still(t)
	alice, poor, hello := w.caller(w.alice), w.spent(), requestOf(draft(phone(1), "hello"))
	w.repeats(w.alice, time.Minute)
	w.wantFates("accepted", alice, hello, "")
	w.store.Shift(2 * time.Minute)
	w.wantFates("refused for another reason", poor, hello, fault.SpendLimit)
	w.repeats(w.alice, time.Hour)
	w.wantFates("within the hour", alice, hello, fault.RepeatedMessage)
}

// TestOneOfManyIdenticalMessagesIsAccepted has many ask at once, some of whom may not spend anything: whoever they come after, one that
// may is accepted, and no other.
func TestOneOfManyIdenticalMessagesIsAccepted(t *testing.T) {
	t.Parallel()
	w := still(t)
	poor, alice := w.spent(), w.caller(w.alice)
	w.repeats(w.alice, time.Hour)
	for round := range 5 {
		results := make(chan fault.Code, 60)
		for n := range cap(results) {
			c := poor
			if n%3 == 0 {
				c = alice
			}
			go func() {
				reply, err := w.gateway.Submit(t.Context(), c, requestOf(draft(phone(round), "hello")))
				if err != nil {
					t.Error(err)
					results <- "failed"
					return
				}
				results <- fates(reply.Results)[0]
			}()
		}
		got := map[fault.Code]int{}
		for range cap(results) {
			got[<-results]++
		}
		if got[""] != 1 || got[fault.RepeatedMessage]+got[fault.SpendLimit] != cap(results)-1 {
			t.Errorf("round %d: %v", round, got)
		}
	}
	w.wantMoney(0, 6)
}

// beside is another server's core on the same database; where there can be but one, another core of it.
func (w *world) beside() *gateway.Gateway {
	w.t.Helper()
	s := w.store
	if storetest.Postgres() {
		key, err := os.ReadFile(filepath.Join(w.life.Dir, "master.key"))
		w.must(err)
		other := w.life.Options
		other.Dir, other.MasterKey = w.t.TempDir(), string(key)
		s, err = store.Open(w.t.Context(), other)
		w.must(err)
		w.t.Cleanup(func() { _ = s.Close() })
	}
	events := event.New(s)
	return gateway.New(gateway.Parts{
		Store: s, Queue: queue.New(s, quiet), Events: events, Wallet: wallet.New(s, events), Consent: consent.New(s, events), Contacts: contact.New(s, events),
		Conversations: conversation.New(s), Numbers: number.New(s), Policies: policy.New(s), Members: member.New(s, account.Limits{}),
		Connections: connection.New(s), Routes: route.New(s), Log: quiet, Drivers: w.gateway.Drivers,
	})
}

func TestAWindowHoldsOnAllServers(t *testing.T) {
	t.Parallel()
	w := still(t)
	there := w.beside()
	w.repeats(w.alice, time.Hour)
	for n := range 5 {
		results := make(chan fault.Code, 20)
		for i := range cap(results) {
			g := w.gateway
			if i%2 == 0 {
				g = there
			}
			go func() {
				reply, err := g.Submit(t.Context(), w.caller(w.alice), requestOf(draft(phone(n), "hello")))
				if err != nil {
					t.Error(err)
					results <- "failed"
					return
				}
				results <- fates(reply.Results)[0]
			}()
		}
		got := map[fault.Code]int{}
		for range cap(results) {
			got[<-results]++
		}
		if got[""] != 1 || got[fault.RepeatedMessage] != cap(results)-1 {
			t.Errorf("message %d: %v", n, got)
		}
	}
}

// TestAWindowIsKeptToTheSecond lives drawn stories in virtual time, over two servers, and holds each answer against what a list of all that
// was accepted says.
func TestAWindowIsKeptToTheSecond(t *testing.T) {
	t.Parallel()
	storetest.Virtual(t, func(t *testing.T) {
		w := still(t)
		both := []*gateway.Gateway{w.gateway, w.beside()}
		rounds := 0
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			if rounds++; rounds > 20 {
				return // rapid has no option for fewer
			}
			m := &windows{world: w, account: w.account(), own: -1, accepted: map[string]time.Time{}}
			taken := draft(phone(9), "x")
			taken.Reference = "taken"
			w.wantFates("the first of its reference", w.caller(m.account), requestOf(taken), "")
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				switch rapid.IntRange(0, 5).Draw(rt, "step") {
				case 0:
					time.Sleep(time.Duration(rapid.IntRange(0, 12).Draw(rt, "seconds")) * time.Second)
				case 1:
					m.own = time.Duration(rapid.SampledFrom([]int{-1, 0, 1, 10, 3600}).Draw(rt, "window")) * time.Second
					w.repeats(m.account, m.own)
					m.accepted, m.texts = map[string]time.Time{}, m.texts+1 // what a longer window knows of a shorter one is another test's
				default:
					m.submit(rt, both[rapid.IntRange(0, 1).Draw(rt, "server")])
				}
			}
		})
	})
}

// windows is what a test knows of one account's messages.
type windows struct {
	*world
	account  account.Account
	own      time.Duration // the account's window; below zero: none of its own
	texts    int           // makes other texts
	accepted map[string]time.Time
}

// submit sends some drafts, of which some are the same and some are nothing.
func (m *windows) submit(rt *rapid.T, g *gateway.Gateway) {
	m.t.Helper()
	r := gateway.Request{RepeatWindow: time.Duration(rapid.SampledFrom([]int{0, 5}).Draw(rt, "asked")) * time.Second}
	window := m.own
	if window < 0 {
		window = r.RepeatWindow
	}
	now := m.store.Now()
	var want []fault.Code
	for range rapid.IntRange(1, 4).Draw(rt, "drafts") {
		to, good := rapid.IntRange(0, 2).Draw(rt, "to"), rapid.IntRange(0, 4).Draw(rt, "kind") > 0
		d := draft(phone(to), fmt.Sprint("text ", m.texts))
		if !good {
			d.Reference = "taken"
		}
		r.Drafts = append(r.Drafts, d)
		at, known := m.accepted[d.To]
		switch {
		case !good:
			want = append(want, fault.ReferenceTaken)
		case window > 0 && known && now.Sub(at) < window:
			want = append(want, fault.RepeatedMessage)
		default:
			want = append(want, "")
			if window > 0 {
				m.accepted[d.To] = now
			}
		}
	}
	reply, err := g.Submit(m.t.Context(), m.caller(m.account), r)
	if err != nil {
		rt.Fatal(err)
	}
	if got := fates(reply.Results); fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("at %s, window %s: %q, want %q", now, window, got, want)
	}
}
