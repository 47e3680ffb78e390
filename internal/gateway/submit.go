package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/report"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

const (
	maxDrafts    = 1000
	keepKeys     = 7 * 24 * time.Hour
	keepRefs     = 30 * 24 * time.Hour
	fullRetry    = 5 * time.Second
	maxKeyLength = 255
)

// Request is one request to send.
type Request struct {
	Drafts      []message.Draft
	Key         string       // the Idempotency-Key; may be empty
	Scope       string       // what the key counts within, beside the account: method and route
	Fingerprint string       // of the body, to tell a repeat from another request with the same key
	Whole       []fault.Code // faults of one item that refuse all; nil: items stand alone

	RepeatWindow time.Duration // in which an identical message is refused, unless the account's policy has a window of its own
}

// Reply tells what became of each draft, in order.
type Reply struct {
	Results  []Result
	Replayed bool // the key was seen before: these are the results of then
}

// Result is what became of one draft: a message as it was accepted, or a fault.
type Result struct {
	Message message.Message
	Fault   *fault.Fault
}

// Submit stores drafts with their jobs, then answers: what it reports as accepted is on disk. Each draft stands alone
// unless the request says otherwise. Its error is a fault of the whole request, after which nothing is stored:
// fault.TooManyItems, fault.KeyReused, fault.QueueFull, fault.DiskFull.
func (g *Gateway) Submit(ctx context.Context, c Caller, r Request) (Reply, error) {
	if err := g.admit(c, r); err != nil {
		return Reply{}, err
	}
	a := &acceptance{caller: c, request: r, items: make([]prepared, len(r.Drafts))}
	now, t := g.Store.Now(), terms{alone: alone(r.Drafts), window: r.RepeatWindow}
	for i, d := range r.Drafts {
		var err error
		if a.items[i], err = g.prepare(ctx, c, d, t, now); err != nil {
			return Reply{}, fmt.Errorf("prepare draft: %w", err)
		}
		a.wary = a.wary || a.items[i].repeat.Window > 0
	}
	if len(a.items) == 1 && a.items[0].fault != nil && r.Key == "" {
		return Reply{Results: []Result{{Fault: a.items[0].fault}}}, nil // nothing to store
	}
	if err := g.accepts.Do(a, len(a.items)); err != nil {
		return Reply{}, err
	}
	return a.reply, a.refused
}

// admit refuses what can be refused without looking inside.
func (g *Gateway) admit(c Caller, r Request) error {
	if len(r.Drafts) > maxDrafts {
		return fault.New(fault.TooManyItems, "%d messages; at most %d in one request", len(r.Drafts), maxDrafts)
	}
	if len(r.Key) > maxKeyLength {
		return fault.New(fault.InvalidField, "an idempotency key has at most %d characters", maxKeyLength).In("Idempotency-Key")
	}
	if err := mayAll(&c.Account, r.Drafts); err != nil {
		return err
	}
	if err := g.Store.Healthy(); err != nil {
		return err
	}
	if most := c.Account.Limits.Queue; most > 0 && g.Queue.Depth(c.Account.ID)+len(r.Drafts) > most {
		return fault.New(fault.QueueFull, "%d messages may wait at a time", most).After(fullRetry)
	}
	return g.admitRate(c, len(r.Drafts))
}

// mayAll refuses what the account's parent keeps it from. Our own answers to a STOP go out all the same.
func mayAll(a *account.Account, drafts []message.Draft) error {
	if a.Denied == 0 {
		return nil
	}
	for i := range drafts {
		if err := a.Need(rightFor(&drafts[i])); err != nil && drafts[i].Answers == 0 {
			return err
		}
	}
	return nil
}

// rightFor is what an account must have access to that sends a draft.
func rightFor(d *message.Draft) account.Right {
	switch kind := cmp.Or(d.Kind, message.SMS); {
	case kind == message.Voice:
		return account.AccessVoice
	case kind == message.MMS, kind == message.SMS && d.Content.Media != nil:
		return account.AccessMMS
	}
	return account.AccessSMS
}

// admitRate uses up so many messages of what the plan gives a minute to the account and its subaccounts, over all surfaces and
// servers together: all of them or none.
func (g *Gateway) admitRate(c Caller, n int) error {
	most := c.Account.Limits.Messages
	if most > 0 && n > most {
		return fault.New(fault.TooManyItems, "%d messages; the account may send %d in a minute", n, most)
	}
	left, err := g.rates.Take(rate.Name{Of: "messages", ID: int64(c.Account.Root())}, n, rate.Limit{PerMinute: most, Burst: most})
	if err == nil && !left.OK {
		return fault.New(fault.RateLimited, "the account may send %d messages in a minute", most).After(left.Wait)
	}
	return err
}

// acceptance is one Submit within a shared transaction.
type acceptance struct {
	caller  Caller
	request Request
	items   []prepared
	wary    bool // some of the items must not be repeated
	reply   Reply
	refused error
}

// accept writes all that came together. What needs the rows is decided here, in the order the requests came: repeated requests,
// opt-outs, references, repeated messages, balance.
func (g *Gateway) accept(tx *store.Tx, members []*acceptance) error {
	fresh, repeats, err := g.settleKeys(tx, members)
	if err != nil {
		return err
	}
	sent := marks{}
	for now, later := apart(fresh, sent); len(now) > 0; now, later = apart(later, sent) {
		if err := g.settleItems(tx, now); err != nil {
			return err
		}
		if err := g.insert(tx, now); err != nil {
			return err
		}
		sent.add(now)
	}
	return g.replay(tx, repeats)
}

// repeat is a request whose key was seen, in an earlier transaction or in this one.
type repeat struct {
	of      *acceptance
	first   *acceptance // in this transaction
	outcome string      // of an earlier one
}

// settleKeys tells new requests from repeats. Of two with the same key in one transaction, the first is new.
func (g *Gateway) settleKeys(tx *store.Tx, members []*acceptance) (fresh []*acceptance, repeats []repeat, err error) {
	var keyed []*acceptance
	var asks []idempotencyParams
	for _, a := range members {
		a.reply, a.refused = Reply{}, nil
		if a.request.Key == "" {
			fresh = append(fresh, a)
			continue
		}
		keyed = append(keyed, a)
		asks = append(asks, idempotencyParams{AccountID: a.caller.Account.ID, Scope: a.request.Scope, Key: a.request.Key, Now: tx.NowMilli()})
	}
	rows, err := store.First[idempotencyRow](tx, idempotency, asks)
	if err != nil {
		return nil, nil, fmt.Errorf("look for idempotency keys: %w", err)
	}
	first := map[idempotencyParams]*acceptance{}
	for i, a := range keyed {
		earlier := first[asks[i]]
		switch {
		case rows[i] != nil && rows[i].Fingerprint == a.request.Fingerprint:
			repeats = append(repeats, repeat{of: a, outcome: rows[i].Outcome})
		case earlier != nil && earlier.request.Fingerprint == a.request.Fingerprint:
			repeats = append(repeats, repeat{of: a, first: earlier})
		case rows[i] != nil || earlier != nil:
			a.refused = fault.New(fault.KeyReused, "this key was used for a request with another body")
		default:
			first[asks[i]] = a
			fresh = append(fresh, a)
		}
	}
	return fresh, repeats, nil
}

// settleItems decides each draft by what is stored.
func (g *Gateway) settleItems(tx *store.Tx, fresh []*acceptance) error {
	for _, a := range fresh {
		a.reply.Results = make([]Result, len(a.items))
		for i := range a.items {
			m := a.items[i].message
			m.ID = message.ID(tx.NewID())
			m.Updated = m.ID.Time()
			a.reply.Results[i] = Result{Message: m, Fault: a.items[i].fault}
		}
	}
	if err := g.settleChannels(tx, fresh); err != nil {
		return err
	}
	refuseWhole(fresh)
	for _, settle := range []func(*store.Tx, []*Result) error{g.settleOptOuts, g.settleReferences} {
		if err := settle(tx, open(fresh)); err != nil {
			return err
		}
		refuseWhole(fresh)
	}
	noted, err := g.settleRepeats(tx, fresh)
	if err != nil {
		return err
	}
	refuseWhole(fresh)
	if err := g.settleLinks(tx, fresh); err != nil {
		return err
	}
	refuseWhole(fresh)
	if err := g.settleBalances(tx, fresh); err != nil {
		return err
	}
	if err := g.dropLinks(tx, fresh); err != nil {
		return err
	}
	return g.takeBackRepeats(tx, noted)
}

// settleBalances holds the prices in the wallets of those who pay, as far as the keys may spend them. A request that one unpaid item
// refuses as a whole comes after the others, alone: what it holds only to give it back must not be missing to them.
func (g *Gateway) settleBalances(tx *store.Tx, fresh []*acceptance) error {
	var whole, single []*acceptance
	var keys []account.Key
	for _, a := range fresh {
		if a.caller.Key.SpendLimit > 0 {
			keys = append(keys, a.caller.Key)
		}
		if len(a.items) > 1 && (slices.Contains(a.request.Whole, fault.InsufficientBalance) || slices.Contains(a.request.Whole, fault.SpendLimit)) {
			whole = append(whole, a)
			continue
		}
		single = append(single, a)
	}
	budgets, err := key.BudgetsOf(tx, keys)
	if err != nil {
		return err
	}
	if err := g.settleBalance(tx, single, budgets); err != nil {
		return err
	}
	for i, a := range whole {
		if err := g.settleBalance(tx, whole[i:i+1], budgets); err != nil {
			return err
		}
		refused := refuseWhole(whole[i : i+1])
		for _, r := range refused {
			budgets.Return(a.caller.Key.ID, r.Message.Price)
		}
		if err := g.Wallet.Void(tx, moves(a.caller.Account.Payer(), refused)); err != nil {
			return err
		}
	}
	return budgets.Write(tx)
}

// open lists the results that nothing speaks against so far.
func open(fresh []*acceptance) (results []*Result) {
	for _, a := range fresh {
		for i := range a.reply.Results {
			if a.reply.Results[i].Fault == nil {
				results = append(results, &a.reply.Results[i])
			}
		}
	}
	return results
}

// settleChannels looks at the channels once more, as they are in this transaction: a message must not come to wait in one that
// was deleted, or in a lane that it has no more.
func (g *Gateway) settleChannels(tx *store.Tx, fresh []*acceptance) error {
	for _, a := range fresh {
		for i := range a.items {
			r := &a.reply.Results[i]
			if r.Fault != nil {
				continue
			}
			now, ok, err := g.Connections.Get(tx.Context(), r.Message.Channel)
			if err != nil {
				return err
			}
			if !ok || !now.Enabled {
				r.Fault = fault.New(fault.NoChannel, "the channel is no more").In("channel")
				continue
			}
			if err := g.checkLinked(tx.Context(), now); err != nil {
				if r.Fault = fault.Of(err); r.Fault == nil {
					return err
				}
			}
			a.items[i].channel = now
		}
	}
	return nil
}

func (g *Gateway) settleOptOuts(tx *store.Tx, results []*Result) error {
	asks := make([]consent.Ask, len(results))
	for i, r := range results {
		asks[i] = consent.Ask{Account: r.Message.Account, Address: r.Message.To}
	}
	out, err := g.Consent.OptedOut(tx, asks)
	if err != nil {
		return err
	}
	for i, r := range results {
		if out[i] && r.Message.Answers == 0 { // one that confirms a STOP goes out
			r.Fault = optedOut()
		}
	}
	return nil
}

func (g *Gateway) settleReferences(tx *store.Tx, results []*Result) error {
	var named []*Result
	var asks []referenceParams
	for _, r := range results {
		if r.Message.Reference != "" {
			named = append(named, r)
			asks = append(asks, referenceParams{AccountID: r.Message.Account, Reference: r.Message.Reference, Now: tx.NowMilli()})
		}
	}
	rows, err := store.First[message.ID](tx, reference, asks)
	if err != nil {
		return fmt.Errorf("look for references: %w", err)
	}
	taken := map[referenceParams]message.ID{}
	for i, r := range named {
		have := taken[asks[i]]
		if rows[i] != nil {
			have = *rows[i]
		}
		if have == 0 {
			taken[asks[i]] = r.Message.ID
			continue
		}
		r.Fault = fault.New(fault.ReferenceTaken, "the reference %q belongs to an earlier message", r.Message.Reference).In("client_reference")
		r.Fault.Existing = have.String()
	}
	return nil
}

// settleBalance takes each price out of its key's budget, then out of the wallet of who pays. What the wallet refuses goes back into
// the budget, for those who come later.
func (g *Gateway) settleBalance(tx *store.Tx, fresh []*acceptance, budgets key.Budgets) error {
	var asks []wallet.Move
	for _, a := range fresh {
		for i := range a.reply.Results {
			if r := &a.reply.Results[i]; r.Fault == nil && !budgets.Spend(a.caller.Key.ID, r.Message.Price) {
				r.Fault = overLimit()
			}
		}
		asks = append(asks, moves(a.caller.Account.Payer(), open([]*acceptance{a}))...)
	}
	granted, err := g.Wallet.Hold(tx, asks)
	if err != nil {
		return err
	}
	for _, a := range fresh {
		for _, r := range open([]*acceptance{a}) {
			if !granted[0] {
				r.Fault = noBalance()
				budgets.Return(a.caller.Key.ID, r.Message.Price)
			}
			granted = granted[1:]
		}
	}
	return nil
}

// moves are what the results cost who pays for them.
func moves(payer account.ID, results []*Result) []wallet.Move {
	m := make([]wallet.Move, len(results))
	for i, r := range results {
		m[i] = wallet.Move{Account: payer, Spender: spender(payer, r.Message.Account), Subject: int64(r.Message.ID), Amount: r.Message.Price}
	}
	return m
}

func optedOut() *fault.Fault {
	return fault.New(fault.RecipientOptedOut, "the recipient does not want messages").In("to")
}

func noBalance() *fault.Fault {
	return fault.New(fault.InsufficientBalance, "the balance does not cover the message")
}

func overLimit() *fault.Fault {
	return fault.New(fault.SpendLimit, "the message costs more than the key may still spend today")
}

// spender is who draws on another's wallet; zero: who pays does.
func spender(payer, a account.ID) account.ID {
	if a == payer {
		return 0
	}
	return a
}

// refuseWhole refuses all items of a request of which one has a fault that says so.
func refuseWhole(fresh []*acceptance) (refused []*Result) {
	for _, a := range fresh {
		i := slices.IndexFunc(a.reply.Results, func(r Result) bool {
			return r.Fault != nil && slices.Contains(a.request.Whole, r.Fault.Code)
		})
		if i < 0 {
			continue
		}
		for k := range a.reply.Results {
			if a.reply.Results[k].Fault == nil {
				f := *a.reply.Results[i].Fault // each its own: a surface may say which field is at fault
				a.reply.Results[k].Fault = &f
				refused = append(refused, &a.reply.Results[k])
			}
		}
	}
	return refused
}

// insert writes what was accepted: messages, jobs, references, keys.
func (g *Gateway) insert(tx *store.Tx, fresh []*acceptance) error {
	if err := g.meetRecipients(tx, open(fresh)); err != nil {
		return err
	}
	if err := g.attach(tx, open(fresh)); err != nil {
		return err
	}
	var rows []addMessageParams
	var refs []setReferenceParams
	var keys []setIdempotencyParams
	var jobs []queue.Job
	var news []report.Usage
	for _, a := range fresh {
		accepted := 0
		for i := range a.reply.Results {
			r := &a.reply.Results[i]
			if r.Fault != nil {
				r.Message = message.Message{} // there is none
				continue
			}
			accepted++
			rows = append(rows, rowOf(&r.Message))
			news = append(news, report.Usage{
				Account: r.Message.Account, Channel: r.Message.Channel, Kind: r.Message.Kind, Counts: report.Counts{Accepted: 1, Parts: int64(r.Message.Total)},
			})
			job := jobFor(&r.Message, laneOf(a.items[i].channel, r.Message.To.String()), tx.Now())
			if a.items[i].spare {
				job.Data = spareMark
			}
			jobs = append(jobs, job)
			if r.Message.Reference != "" {
				refs = append(refs, setReferenceParams{AccountID: r.Message.Account, Reference: r.Message.Reference, MessageID: r.Message.ID, ExpiresAt: tx.Now().Add(keepRefs).UnixMilli()})
			}
		}
		if a.request.Key != "" && accepted > 0 {
			keys = append(keys, setIdempotencyParams{
				AccountID: a.caller.Account.ID, Scope: a.request.Scope, Key: a.request.Key, Fingerprint: a.request.Fingerprint,
				Outcome: encodeOutcome(a.reply.Results), ExpiresAt: tx.Now().Add(keepKeys).UnixMilli(),
			})
		}
	}
	if err := store.Run(tx, addMessage, rows); err != nil {
		return fmt.Errorf("insert messages: %w", err)
	}
	if err := store.Run(tx, setReference, refs); err != nil {
		return fmt.Errorf("insert references: %w", err)
	}
	if err := store.Run(tx, setIdempotency, keys); err != nil {
		return fmt.Errorf("insert idempotency keys: %w", err)
	}
	if err := report.Add(tx, news); err != nil {
		return err
	}
	tx.After(func() { g.recent.add(rows) })
	return g.Queue.Add(tx, jobs)
}

// jobFor is the job that sends the message. It has the message's own key: a message waits exactly while it has one.
func jobFor(m *message.Message, lane string, now time.Time) queue.Job {
	due := now
	if m.Scheduled.After(now) {
		due = m.Scheduled
	}
	return queue.Job{
		ID: int64(m.ID), Lane: lane, Kind: sendKind, Subject: int64(m.ID), Account: m.Account, OrderKey: m.To.String(),
		Priority: int(m.Priority), Due: due, Expires: m.ValidUntil, Step: firstStep,
	}
}

// outcome is one item as an idempotency row remembers it.
type outcome struct {
	ID    message.ID   `json:"id,omitempty"`
	Fault *fault.Fault `json:"fault,omitempty"`
}

func encodeOutcome(results []Result) string {
	items := make([]outcome, len(results))
	for i, r := range results {
		items[i] = outcome{Fault: r.Fault}
		if r.Fault == nil {
			items[i].ID = r.Message.ID
		}
	}
	return encode(items)
}

// replay answers repeats as their firsts were answered.
func (g *Gateway) replay(tx *store.Tx, repeats []repeat) error {
	for _, r := range repeats {
		r.of.reply.Replayed = true
		if r.first != nil {
			r.of.reply.Results = slices.Clone(r.first.reply.Results)
			continue
		}
		results, err := g.remember(tx, r.outcome)
		if err != nil {
			return err
		}
		r.of.reply.Results = results
	}
	return nil
}

func (g *Gateway) remember(tx *store.Tx, text string) ([]Result, error) {
	var items []outcome
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		return nil, fmt.Errorf("read an idempotency outcome: %w", err)
	}
	asks := make([]messageByIDParams, len(items))
	for i, it := range items {
		asks[i].ID = it.ID
	}
	rows, err := store.First[messageRecord](tx, messageByID, asks)
	if err != nil {
		return nil, fmt.Errorf("read accepted messages: %w", err)
	}
	results := make([]Result, len(items))
	for i, it := range items {
		results[i].Fault = it.Fault
		switch {
		case it.Fault != nil:
		case rows[i] == nil: // its retention is over
			results[i].Message.ID = it.ID
		default:
			results[i].Message = asAccepted(messageOf(*rows[i]))
		}
	}
	return results, nil
}

// asAccepted is the message as Submit first answered it.
func asAccepted(m message.Message) message.Message {
	m.Status, m.Attempt, m.Seq, m.Duplicate, m.Reason, m.Updated = message.Queued, 1, 0, false, "", m.ID.Time()
	if !m.Scheduled.IsZero() {
		m.Status = message.Scheduled
	}
	return m
}

// byID sorts messages as their rows lie.
func byID(a, b *state) int { return cmp.Compare(a.row.ID, b.row.ID) }
