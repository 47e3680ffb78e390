package gateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// A send job's step is the attempt and the part that are next.
const firstStep = 1<<16 | 1

func stepOf(attempt, part int) int64     { return int64(attempt)<<16 | int64(part) }
func ofStep(step int64) (attempt, n int) { return int(step >> 16), int(step & 0xffff) }
func nextPart(step int64) int64          { return step + 1 }
func nextAttempt(step int64) int64       { return step + 1<<16 }

// outcomeUnknown is the reason of a message that ends without anyone knowing what became of it.
const outcomeUnknown = "outcome_unknown"

// sending is one part with a worker: what goes out, and what came back.
type sending struct {
	row    messageRecord
	out    message.Outbound
	remote string
	fail   *channel.Failure
	at     time.Time
	asked  time.Time // the network may have it since then; zero: since at
	plan   plan
	detour *detour // for moved
	ended  bool    // End has seen it: on a second try it reads the message again
}

// Sender is the work of a channel's lanes over one session.
func (g *Gateway) Sender(s channel.Session) queue.Do {
	return func(ctx context.Context, t *queue.Task) {
		p := t.Payload.(*sending)
		if p.fail = g.ready(ctx, t, p); p.fail != nil {
			p.at = g.Store.Now()
			t.Next = g.decide(t, p)
			return
		}
		p.at = g.Store.Now()
		if readMemo(t.Data).waits {
			p.remote, p.fail = find(ctx, s, p.out)
		} else {
			p.remote, p.fail = hand(ctx, s, p.out)
		}
		t.Next = g.decide(t, p)
	}
}

// hand gives a part to the session. Whatever the session cannot tell, even by a panic, is unsure.
func hand(ctx context.Context, s channel.Session, out message.Outbound) (remote string, fail *channel.Failure) {
	defer func() {
		if p := recover(); p != nil {
			fail = &channel.Failure{Code: "driver_panic", Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	remote, err := s.Send(ctx, out)
	if err == nil {
		return remote, nil
	}
	if f, ok := errors.AsType[*channel.Failure](err); ok {
		return "", f
	}
	return "", &channel.Failure{Code: "unsure", Err: err}
}

// beginSend loads what claimed jobs are about. The claim is the intent to send, on disk before the first byte leaves;
// validity and opt-out are looked at once more.
func (g *Gateway) beginSend(tx *store.Tx, tasks []*queue.Task) error {
	rows, err := g.rowsOf(tx, tasks)
	if err != nil {
		return err
	}
	asks := make([]consent.Ask, len(tasks))
	for i, t := range tasks {
		asks[i] = consent.Ask{Account: t.Account, Address: message.ParseAddress(t.OrderKey)}
	}
	out, err := g.Consent.OptedOut(tx, asks)
	if err != nil {
		return err
	}
	over := map[message.ID]message.Status{}
	known, err := g.knownMeanwhile(tx, tasks)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		row, ok := rows[message.ID(t.ID)]
		switch {
		case known[t.ID]:
			continue
		case !ok || !message.Status(row.Status).Waiting():
		case row.ValidUntil <= tx.NowMilli():
			over[row.ID] = message.Expired
		case out[i] && row.Answers == 0, isErased(row.Recipient):
			over[row.ID] = message.Blocked
		default:
			if t.Payload, err = g.compose(tx.Context(), t, row); err == nil {
				if err := g.spend(tx, t, &row); err != nil {
					return err
				}
				continue
			}
			g.Log.Error("cannot send a message any more", "message", row.ID, "err", err)
			over[row.ID] = message.Failed
		}
		t.Settled, t.Next = true, queue.Done()
	}
	return g.endWaiting(tx, over)
}

// rowsOf reads the messages of jobs; most are still in memory when they are claimed first.
func (g *Gateway) rowsOf(tx *store.Tx, tasks []*queue.Task) (map[message.ID]messageRecord, error) {
	rows := make(map[message.ID]messageRecord, len(tasks))
	var ids []message.ID
	for _, t := range tasks {
		id := message.ID(t.ID)
		if row, ok := g.recent.take(id); ok && t.Step == firstStep && (t.Data == "" || t.Data == spareMark) {
			rows[id] = row
			continue
		}
		ids = append(ids, id)
	}
	found, err := store.Find[messageRecord](tx, messageByID, ids)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	for _, f := range found {
		rows[f.Row.ID] = f.Row
	}
	return rows, nil
}

// compose is the part that a job sends next.
func (g *Gateway) compose(ctx context.Context, t *queue.Task, row messageRecord) (*sending, error) {
	m := messageOf(row)
	attempt, part := ofStep(t.Step)
	out := message.Outbound{
		Message: m.ID, Account: m.Account, Attempt: attempt, Number: part, Total: m.Total, Reference: m.Joint, To: m.To,
		From: m.From, Content: m.Content, Text: m.Content.Text, Encoding: m.Encoding, Priority: m.Priority, ValidUntil: m.ValidUntil,
	}
	if m.Total > 1 || m.Content.Type == message.TypeButtons {
		ch, _, err := g.Connections.Get(ctx, m.Channel)
		if err != nil {
			return nil, err
		}
		driver := g.drivers[ch.Driver]
		out.Content = carried(&driver, m.Content)
		out.Text = out.Content.Text
	}
	if m.Total > 1 {
		ch, _, err := g.Connections.Get(ctx, m.Channel)
		if err != nil {
			return nil, err
		}
		split, err := g.split(ch, m.Content)
		if err != nil {
			return nil, fmt.Errorf("split it: %w", err)
		}
		if len(split.Texts) != m.Total {
			return nil, fmt.Errorf("it was accepted as %d parts, and channel %s makes %d of it now", m.Total, m.Channel, len(split.Texts))
		}
		out.Text = split.Texts[part-1]
	}
	return &sending{row: row, out: out}, nil
}

// endSend writes what came back.
func (g *Gateway) endSend(tx *store.Tx, tasks []*queue.Task) error {
	if err := g.unspend(tx, tasks); err != nil {
		return err
	}
	left, err := g.settle(tx, tasks)
	if err != nil {
		return err
	}
	for _, t := range left {
		if err := g.goOn(tx, t.Payload.(*sending).out); err != nil {
			return err
		}
	}
	return g.takeEchoed(tx, tasks)
}

// settle writes what came back, and returns the tasks that were the last of their jobs though parts of their messages are
// left to send: what became of this part mattered no more, since an earlier try of it had arrived.
func (g *Gateway) settle(tx *store.Tx, tasks []*queue.Task) (left []*queue.Task, err error) {
	states, err := g.statesOf(tx, tasks)
	if err != nil {
		return nil, err
	}
	early, err := g.earlyOfTaken(tx, tasks)
	if err != nil {
		return nil, err
	}
	var jobs []queue.Job
	var moves, doubted []*sending
	for _, t := range tasks {
		p := t.Payload.(*sending)
		s := states[message.ID(t.ID)]
		if s == nil {
			continue
		}
		if t.Fenced {
			g.factOnly(s, p)
			continue
		}
		ended := g.outcome(tx, s, p)
		switch {
		case ended && s.row.Status.Waiting():
			left = append(left, t)
		case ended && s.row.Status == message.Unknown:
			jobs = append(jobs, g.doubt(tx, p))
		case p.plan == moved && s.row.Status.Waiting():
			moves = append(moves, p)
		}
		if p.unsure() {
			doubted = append(doubted, p)
		}
		if p.fail == nil {
			if err := g.takeEarly(tx, s, p, early); err != nil {
				return nil, err
			}
		}
	}
	list := make([]*state, 0, len(states))
	for _, s := range states {
		list = append(list, s)
	}
	if err := g.write(tx, list); err != nil {
		return nil, err
	}
	for _, p := range moves {
		jobs = append(jobs, p.detour.job(&p.row, states[p.row.ID].row.Attempt, tx.Now()))
		if err := g.follow(tx, &p.row, p.detour); err != nil {
			return nil, err
		}
	}
	if err := g.Queue.Add(tx, jobs); err != nil {
		return nil, err
	}
	return left, g.keepDoubts(tx, doubted)
}

// earlyOfTaken are the receipts that came before the results of the parts which the network has.
func (g *Gateway) earlyOfTaken(tx *store.Tx, tasks []*queue.Task) (earlyReceipts, error) {
	var names []earlyOfParams
	for _, t := range tasks {
		if p := t.Payload.(*sending); p.fail == nil && !t.Fenced {
			names = append(names, p.earlyKey())
		}
	}
	return g.earlyUnder(tx, names)
}

// statesOf is each message as its worker knows it: the row of the claim, or with several parts, attempts or tries the
// rows of now.
func (g *Gateway) statesOf(tx *store.Tx, tasks []*queue.Task) (map[message.ID]*state, error) {
	states := make(map[message.ID]*state, len(tasks))
	var ids []message.ID
	for _, t := range tasks {
		p := t.Payload.(*sending)
		if t.Step == firstStep && p.row.Total == 1 && !p.ended && !t.Fenced {
			states[p.row.ID] = stateOf(p.row)
		} else {
			ids = append(ids, p.row.ID)
		}
		p.ended = true
	}
	loaded, err := g.load(tx, ids)
	for id, s := range loaded {
		states[id] = s
	}
	return states, err
}

// factOnly keeps the network's id of a part whose job is someone else's by now, so that its receipt still finds it.
func (g *Gateway) factOnly(s *state, p *sending) {
	if p.fail == nil {
		s.post = true
		s.setPart(g.partOf(p, message.Sent, ""))
	}
}

func (g *Gateway) partOf(p *sending, status message.Status, code string) partRecord {
	r := partRecord{
		Attempt: int64(p.out.Attempt), Number: int64(p.out.Number), ChannelID: p.row.ChannelID, RemoteID: p.remote,
		Status: int16(status), Code: code, SentAt: milli(p.at),
	}
	if status == message.Failed {
		r.DoneAt = r.SentAt
	}
	return r
}

// outcome changes the message by what its part met. It reports whether the part failed for good, or nobody will know: the
// job has ended with it.
func (g *Gateway) outcome(tx *store.Tx, s *state, p *sending) (ended bool) {
	now := tx.Now()
	s.row.Attempt = int64(p.out.Attempt)
	if p.fail == nil {
		s.post = true
		s.setPart(g.partOf(p, message.Sent, ""))
		s.refold(now, event.Change{Attempt: p.out.Attempt})
		return false
	}
	c := event.Change{Reason: p.fail.Code, Code: p.fail.Native, Attempt: p.out.Attempt}
	switch waiting := s.row.Status.Waiting(); {
	case p.plan == throttled:
		return false
	case p.plan == moved && waiting:
		s.depart(p, now, c)
		return false
	case p.plan == rejected, p.plan == moved:
		s.setPart(g.partOf(p, message.Failed, c.Code))
		s.refold(now, c)
		s.void = !s.row.Status.Waiting()
	case p.plan == retried:
		if waiting {
			s.happen(event.Retrying, now, c)
		}
		return false
	case !waiting: // another part has ended it meanwhile
		s.setPart(g.partOf(p, message.Unknown, c.Code))
		return false
	case p.plan == awaited:
		s.setPart(g.partOf(p, message.Unknown, c.Code))
		return false
	case p.plan == asked:
		s.setPart(g.partOf(p, message.Unknown, c.Code))
		s.happen(event.Retrying, now, c)
		return false
	case p.plan == resent:
		s.setPart(g.partOf(p, message.Unknown, c.Code))
		s.row.Duplicate, s.row.Status = true, message.Queued
		s.happen(event.Retrying, now, c)
		return false
	case message.OnUnknown(p.row.OnUnknown) == message.Fail:
		c.Reason = outcomeUnknown
		s.setPart(g.partOf(p, message.Failed, c.Code))
		s.refold(now, c)
		s.void = !s.row.Status.Waiting()
	default:
		s.setPart(g.partOf(p, message.Unknown, c.Code))
		s.refold(now, c)
	}
	return true
}

// doubt is the job that ends the wait for news of an unknown outcome.
func (g *Gateway) doubt(tx *store.Tx, p *sending) queue.Job {
	return queue.Job{
		ID: tx.NewID(), Lane: houseLane, Kind: doubtKind, Subject: int64(p.row.ID), Account: p.row.AccountID,
		Priority: int(message.Bulk), Due: moment(p.row.ValidUntil),
	}
}

// loadSubjects reads the messages that jobs are about.
func (g *Gateway) loadSubjects(tx *store.Tx, tasks []*queue.Task) (map[message.ID]*state, error) {
	ids := make([]message.ID, len(tasks))
	for i, t := range tasks {
		ids[i] = message.ID(t.Subject)
	}
	return g.load(tx, ids)
}

// endDoubt gives back the money of messages of which no news came while they were valid. A late receipt still corrects
// their status, and is not charged.
func (g *Gateway) endDoubt(tx *store.Tx, tasks []*queue.Task) error {
	states, err := g.loadSubjects(tx, tasks)
	if err != nil {
		return err
	}
	var still []*state
	for _, s := range states {
		if s.row.Status == message.Unknown {
			s.touched, s.void, s.row.Reason = true, true, outcomeUnknown
			still = append(still, s)
		}
	}
	return g.write(tx, still)
}

// lostSend settles parts that were with a worker when the server died: nobody knows whether they left, unless a receipt has told
// of them by our reference.
func (g *Gateway) lostSend(tx *store.Tx, tasks []*queue.Task) error {
	rows, err := g.rowsOf(tx, tasks)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		row, ok := rows[message.ID(t.ID)]
		p := &sending{row: row, at: tx.Now(), asked: earliest(row), ended: true, fail: &channel.Failure{Code: "server_stopped"}}
		p.out.Message, p.out.To = message.ID(t.ID), message.ParseAddress(row.Recipient)
		p.out.Attempt, p.out.Number = ofStep(t.Step)
		if t.Payload, t.Next = p, queue.Done(); !ok {
			continue
		}
		told, err := g.echoed(tx, p)
		if err != nil {
			return err
		}
		if len(told) > 0 {
			p.remote, p.fail = told[0].RemoteID, nil
		}
		if t.Next = g.decide(t, p); p.plan == taken && p.out.Number < int(row.Total) {
			t.Next = queue.Back(nextPart(t.Step), "")
		}
	}
	left, err := g.settle(tx, tasks)
	for _, t := range left {
		t.Next = queue.Back(nextPart(t.Step), "")
	}
	return err
}

// earliest is the earliest time at which a network may have been given a message.
func earliest(r messageRecord) time.Time {
	if r.ScheduledAt > 0 {
		return moment(r.ScheduledAt)
	}
	return r.ID.Time()
}

// expireSend ends messages whose validity is over while they wait.
func (g *Gateway) expireSend(tx *store.Tx, tasks []*queue.Task) error {
	over := map[message.ID]message.Status{}
	for _, t := range tasks {
		over[message.ID(t.ID)] = message.Expired
	}
	return g.endWaiting(tx, over)
}

// endWaiting ends messages that wait.
func (g *Gateway) endWaiting(tx *store.Tx, over map[message.ID]message.Status) error {
	ids := make([]message.ID, 0, len(over))
	for id := range over {
		g.recent.take(id)
		ids = append(ids, id)
	}
	states, err := g.load(tx, ids)
	if err != nil {
		return err
	}
	var list []*state
	for id, s := range states {
		if !s.row.Status.Waiting() {
			continue // a part has ended it before
		}
		reason := over[id].String()
		switch {
		case s.fold() == message.Unknown:
			reason = outcomeUnknown
		case over[id] == message.Failed:
			reason = "channel_changed"
		}
		s.end(over[id], tx.Now(), event.Change{Reason: reason, Attempt: int(s.row.Attempt)})
		list = append(list, s)
	}
	return g.write(tx, list)
}
