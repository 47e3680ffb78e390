package gateway

import (
	"fmt"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Resolution is what a person or a program decides about a message of which nobody knows whether the network took it.
type Resolution string

// The resolutions.
const (
	ResolveSent   Resolution = "sent"   // the network took it
	ResolveFailed Resolution = "failed" // it did not
	ResolveResend Resolution = "resend" // nobody knows; it goes out again
)

// resolved is why a message changed that somebody decided about.
const resolved = "resolved"

// Resolve ends the wait of a message whose outcome is unknown, before its validity does. fault.NotHere for a message that is
// not the caller's, fault.NotInDoubt for one that does not wait for a decision.
func (g *Gateway) Resolve(tx *store.Tx, c Caller, id message.ID, how Resolution) (message.Message, error) {
	states, err := g.load(tx, []message.ID{id})
	if err != nil {
		return message.Message{}, err
	}
	s := states[id]
	if s == nil || s.row.Account != c.Account.ID {
		return message.Message{}, fault.New(fault.NotHere, "there is no message %s", id)
	}
	row, err := g.recordOf(tx, id)
	if err != nil {
		return message.Message{}, err
	}
	last, ok := s.doubted()
	switch {
	case s.row.Status != message.Unknown || !ok:
		return message.Message{}, fault.New(fault.NotInDoubt, "the message is %s", s.row.Status)
	case row.ValidUntil <= tx.NowMilli():
		return message.Message{}, fault.New(fault.NotInDoubt, "the time in which it could be decided is over")
	}
	if err := g.resolve(tx, s, row, last, how); err != nil {
		return message.Message{}, err
	}
	if err := g.write(tx, []*state{s}); err != nil {
		return message.Message{}, err
	}
	if row, err = g.recordOf(tx, id); err != nil {
		return message.Message{}, err
	}
	entry := audit.Entry{Account: c.Account.ID, Actor: c.By, Action: "message.resolve", Subject: id.String(), Detail: string(how)}
	return messageOf(*row), audit.Append(tx, entry)
}

func (g *Gateway) resolve(tx *store.Tx, s *state, row *messageRecord, last partRecord, how Resolution) error {
	c := event.Change{Reason: resolved, Attempt: int(last.Attempt)}
	switch how {
	case ResolveSent:
		last.Status = int16(message.Sent)
		s.setPart(last)
		s.post = true
		out := message.Outbound{Message: s.row.ID, Account: s.row.Account, Attempt: int(last.Attempt), Number: int(last.Number), To: message.ParseAddress(row.Recipient)}
		return g.settleLate(tx, s, out, c)
	case ResolveFailed:
		last.Status, last.DoneAt = int16(message.Failed), tx.NowMilli()
		s.setPart(last)
		s.void = true
		s.refold(tx.Now(), c)
		return nil
	case ResolveResend:
		if isErased(row.Recipient) {
			return fault.New(fault.NotInDoubt, "the recipient was erased")
		}
		m := messageOf(*row)
		ch, ok, err := g.Connections.Get(tx.Context(), m.Channel)
		if err == nil && !ok {
			err = fault.New(fault.NoChannel, "the message's channel is no more").In("outcome")
		}
		if err != nil {
			return err
		}
		s.row.Duplicate, s.row.Status, s.row.Reason = true, message.Queued, ""
		s.happen(event.Retrying, tx.Now(), c)
		job := jobFor(&m, laneOf(ch, row.Recipient), tx.Now())
		job.Step = stepOf(int(last.Attempt)+1, int(last.Number))
		return g.Queue.Add(tx, []queue.Job{job})
	default:
		return fault.New(fault.InvalidField, "an outcome is sent, failed or resend").In("outcome")
	}
}

// doubted is the part that keeps a message unknown: the newest of which nobody knows.
func (s *state) doubted() (part partRecord, ok bool) {
	for _, p := range s.parts {
		if message.Status(p.Status) == message.Unknown && p.Attempt >= part.Attempt {
			part, ok = p, true
		}
	}
	return part, ok
}

// recordOf reads a message that is there.
func (g *Gateway) recordOf(tx *store.Tx, id message.ID) (*messageRecord, error) {
	rows, err := store.First[messageRecord](tx, messageByID, []message.ID{id})
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return rows[0], nil
}
