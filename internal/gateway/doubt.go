package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	echoWait   = 2 * time.Minute // for a receipt that names our reference
	keepDoubts = 72 * time.Hour  // after a message's validity, its parts' references are known
)

// plan is what becomes of a part, decided by what came back.
type plan int

const (
	taken     plan = iota // the network has it
	throttled             // the whole lane pauses
	retried               // it surely was not taken, and is tried again
	rejected              // it never will be taken
	moved                 // it never will be taken by this channel; another one is tried
	asked                 // nobody knows, and the network is asked again with the same id
	awaited               // nobody knows, and a receipt may tell
	resent                // nobody knows, and it goes out once more
	abandoned             // nobody knows, and nothing more is done
)

// unsure reports whether nobody knows what became of the part.
func (p *sending) unsure() bool { return p.plan >= asked }

// decide chooses what becomes of a part and its job by what came back.
func (g *Gateway) decide(t *queue.Task, p *sending) queue.Next {
	m, part := readMemo(t.Data), p.out.Number
	switch {
	case p.fail == nil && part < int(p.row.Total):
		p.plan = taken
		return queue.Advance(nextPart(t.Step), "")
	case p.fail == nil:
		p.plan = taken
		return queue.Done()
	case p.fail.Verdict == channel.Reject:
		p.plan = rejected
		if p.fail.Channel {
			g.divert(p, m)
		}
		return queue.Done()
	case p.fail.Verdict == channel.Retry && p.fail.Pause > 0:
		p.plan = throttled
		if p.fail.Slow {
			return queue.Throttled(p.fail.Pause, t.Step, t.Data)
		}
		return queue.Paused(p.fail.Pause, t.Step, t.Data)
	case p.fail.Verdict == channel.Retry && m.waits: // the network surely does not have it
		p.plan = retried
		return queue.Back(t.Step, "")
	case p.fail.Verdict == channel.Retry:
		return g.retry(t, p, m)
	default:
		return g.unknown(t, p, m)
	}
}

// retry tries the part again later, or by another channel when this one has had its tries.
func (g *Gateway) retry(t *queue.Task, p *sending, m memo) queue.Next {
	p.plan = retried
	if m.tries+1 >= channelTries && g.divert(p, m) {
		return queue.Done()
	}
	due := g.Store.Now().Add(queue.Backoff(m.tries))
	m.tries++
	return g.again(p, due, t.Step, m)
}

// again tries the part later. Where order is strict, what follows to the recipient waits for it.
func (g *Gateway) again(p *sending, due time.Time, step int64, m memo) queue.Next {
	if ch, ok, err := g.Connections.Get(context.Background(), p.row.ChannelID); err == nil && ok && g.drivers[ch.Driver].Features.Strict {
		return queue.InOrder(due, step, m.String())
	}
	return queue.Again(due, step, m.String())
}

// unknown decides by what the network lets us find out, and at last by the message's own choice.
func (g *Gateway) unknown(t *queue.Task, p *sending, m memo) queue.Next {
	switch class, remembers := g.class(p.row.ChannelID); {
	case class == channel.Dedupe:
		if next, ok := g.ask(t, p, m, remembers); ok {
			return next
		}
	case class == channel.Echo && !m.waits:
		p.plan = awaited
		return g.again(p, g.Store.Now().Add(echoWait), t.Step, memo{waits: true})
	}
	if p.resends() {
		p.plan = resent
		return queue.Back(nextAttempt(t.Step), "")
	}
	p.plan = abandoned
	return queue.Done()
}

// ask gives the network the part again under the same id, while it surely knows the id again: at once, then after longer and
// longer waits.
func (g *Gateway) ask(t *queue.Task, p *sending, m memo, remembers time.Duration) (queue.Next, bool) {
	if m.asked.IsZero() {
		if m.asked = p.at; !p.asked.IsZero() {
			m.asked = p.asked
		}
		m.tries = 0
	}
	now := g.Store.Now()
	if remembers > 0 && !now.Before(m.asked.Add(remembers/10*9)) {
		return queue.Next{}, false
	}
	p.plan = asked
	again := memo{tries: m.tries + 1, asked: m.asked}
	if m.tries == 0 {
		return queue.Back(t.Step, again.String()), true
	}
	return g.again(p, now.Add(queue.Backoff(m.tries-1)), t.Step, again), true
}

// resends reports whether a part with an unknown outcome goes out again: once in the life of a message, and only if the
// message wants it.
func (p *sending) resends() bool {
	return message.OnUnknown(p.row.OnUnknown) == message.Resend && p.row.Duplicate == 0
}

// class is what a channel's network lets us find out about unknown outcomes, and how long it knows an id again.
func (g *Gateway) class(id message.ChannelID) (channel.Unknown, time.Duration) {
	ch, ok, err := g.Connections.Get(context.Background(), id)
	if err != nil || !ok {
		return channel.Blind, 0 // nothing can be found out
	}
	d := g.drivers[ch.Driver]
	return d.Class(ch.Settings), d.Features.Remembers
}

// find asks the network what became of a part that it may have.
func find(ctx context.Context, s channel.Session, out message.Outbound) (remote string, fail *channel.Failure) {
	finder, ok := s.(channel.Finder)
	if !ok {
		return "", &channel.Failure{Code: "no_answer"}
	}
	remote, found, err := finder.Find(ctx, out)
	switch {
	case err != nil:
		return "", &channel.Failure{Code: "no_answer", Err: err}
	case !found:
		return "", &channel.Failure{Verdict: channel.Retry, Code: "not_taken"}
	}
	return remote, nil
}

// knownMeanwhile settles the jobs of parts that were in doubt and of which news came while someone had the job: they need not
// go out again, and what is left of their messages does.
func (g *Gateway) knownMeanwhile(tx *store.Tx, tasks []*queue.Task) (known map[int64]bool, err error) {
	var ids []message.ID
	for _, t := range tasks {
		if m := readMemo(t.Data); m.waits || !m.asked.IsZero() {
			ids = append(ids, message.ID(t.ID))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	states, err := g.load(tx, ids)
	if err != nil {
		return nil, err
	}
	known = map[int64]bool{}
	var list []*state
	for _, t := range tasks {
		s := states[message.ID(t.ID)]
		if s == nil || !s.knows(ofStep(t.Step)) || !s.row.Status.Waiting() {
			continue
		}
		known[t.ID], t.Settled, t.Next = true, true, queue.Done()
		if s.refold(tx.Now(), event.Change{Attempt: int(s.row.Attempt)}); s.row.Status.Waiting() {
			t.Next = queue.Back(nextPart(t.Step), "")
		}
		list = append(list, s)
	}
	return known, g.write(tx, list)
}

// knows reports whether it is known what became of a part.
func (s *state) knows(attempt, number int) bool {
	return slices.ContainsFunc(s.parts, func(p partRecord) bool {
		return p.Attempt == int64(attempt) && p.Number == int64(number) && (p.RemoteID != "" || message.Status(p.Status) > message.Unknown)
	})
}

// keepDoubts keeps the references of parts of which nobody knows, for receipts that name them.
func (g *Gateway) keepDoubts(tx *store.Tx, doubted []*sending) error {
	var rows []addDoubtParams
	for _, p := range doubted {
		if class, _ := g.class(p.row.ChannelID); class != channel.Echo {
			continue
		}
		rows = append(rows, addDoubtParams{
			ChannelID: p.row.ChannelID, Reference: g.doubtName(p), MessageID: p.row.ID, Attempt: int64(p.out.Attempt),
			Number: int64(p.out.Number), ExpiresAt: moment(p.row.ValidUntil).Add(keepDoubts).UnixMilli(),
		})
	}
	if err := store.Run(tx, addDoubt, rows); err != nil {
		return fmt.Errorf("keep references: %w", err)
	}
	return nil
}

func echoText(echo uint16) string { return strconv.Itoa(int(echo)) }

// doubtName is the name by which receipts may tell of a part of which nobody knows: the id that its driver chose, or our reference.
func (g *Gateway) doubtName(p *sending) string {
	if chosen := g.driver(p.row.ChannelID).RemoteID; chosen != nil {
		return chosenName(chosen(p.out))
	}
	return echoText(p.out.Echo())
}

// chosenName tells a driver's id from a reference.
func chosenName(remote string) string { return "=" + remote }

// doubtNameOf is the name of a part in doubt that a receipt may be about; empty: none.
func (g *Gateway) doubtNameOf(r message.Receipt) string {
	switch {
	case r.Reference != 0:
		return echoText(r.Reference)
	case g.driver(r.Channel).RemoteID != nil:
		return chosenName(r.RemoteID)
	default:
		return ""
	}
}

// driver is the driver of a channel; one that can do nothing while that is not known.
func (g *Gateway) driver(id message.ChannelID) channel.Driver {
	ch, ok, err := g.Connections.Get(context.Background(), id)
	if err != nil || !ok {
		return channel.Driver{}
	}
	return g.drivers[ch.Driver]
}

// identify finds, for receipts with ids that nobody knows, the parts whose references they name, and takes the ids for theirs:
// what was unknown is known. It reports whether there was any.
func (g *Gateway) identify(tx *store.Tx, members []*news, matches []*partsByRemoteRow) (known bool, err error) {
	for i, n := range members {
		r := n.receipt
		name := g.doubtNameOf(r)
		if matches[i] != nil || name == "" {
			continue
		}
		found, err := store.Find[partsInDoubtRow](tx, partsInDoubt, []partsInDoubtParams{{ChannelID: r.Channel, Reference: name}})
		if err != nil {
			return known, fmt.Errorf("find parts by their reference: %w", err)
		}
		for _, f := range found {
			if !sameNumber(r.To, f.Row.Recipient) {
				continue
			}
			if err := g.named(tx, f.Row, r.RemoteID); err != nil {
				return known, err
			}
			known = true
			break
		}
	}
	return known, nil
}

// named takes the network's id for a part that was unknown.
func (g *Gateway) named(tx *store.Tx, part partsInDoubtRow, remote string) error {
	out := message.Outbound{
		Message: part.MessageID, Account: part.AccountID, Attempt: int(part.Attempt), Number: int(part.Number), To: message.ParseAddress(part.Recipient),
	}
	return g.late(tx, out, message.Part{Attempt: out.Attempt, Number: out.Number, RemoteID: remote, Status: message.Sent}, lateChange(out))
}

// takeEchoed looks for receipts that named the references of parts before these were found to be unknown.
func (g *Gateway) takeEchoed(tx *store.Tx, tasks []*queue.Task) error {
	for _, t := range tasks {
		p := t.Payload.(*sending)
		if !p.unsure() {
			continue
		}
		receipts, err := g.echoed(tx, p)
		if err != nil {
			return err
		}
		if len(receipts) == 0 {
			continue
		}
		part := partsInDoubtRow{
			MessageID: p.row.ID, AccountID: p.row.AccountID, Attempt: int64(p.out.Attempt), Number: int64(p.out.Number), Recipient: p.row.Recipient,
		}
		if err := g.named(tx, part, receipts[0].RemoteID); err != nil {
			return err
		}
	}
	return nil
}

// echoed are the receipts that were put by under a part's reference, or under the id that its driver chose.
func (g *Gateway) echoed(tx *store.Tx, p *sending) ([]earlyReceipt, error) {
	key := earlyOfParams{ChannelID: p.row.ChannelID, RemoteID: echoName(p.out.Echo())}
	if chosen := g.driver(p.row.ChannelID).RemoteID; chosen != nil {
		key.RemoteID = chosen(p.out)
	}
	early, err := g.earlyUnder(tx, []earlyOfParams{key})
	if err != nil {
		return nil, err
	}
	return early.take(key, p.row.Recipient), nil
}
