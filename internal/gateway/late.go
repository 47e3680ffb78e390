package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// How long a late answer waits for the result that it is later than.
const (
	lateTries = 20
	latePause = 50 * time.Millisecond
)

// errTooEarly says that the part's own result is not on disk yet.
var errTooEarly = errors.New("the part has no result yet")

// Late takes a network's answer to a part that came after its time was over: what was unknown is known after all. If the
// part waits to be sent again and nobody has begun to, it is not.
func (g *Gateway) Late(ctx context.Context, m message.Outbound, remoteID string, err error) error {
	answer := message.Part{Attempt: m.Attempt, Number: m.Number, RemoteID: remoteID, Status: message.Sent}
	change := lateChange(m)
	if err != nil {
		fail, ok := errors.AsType[*channel.Failure](err)
		if !ok || fail.Verdict != channel.Reject {
			return nil // it says nothing about what became of the part
		}
		answer.Status, change.Reason, change.Code = message.Failed, fail.Code, fail.Native
	}
	for range lateTries {
		err = g.Store.Write(func(tx *store.Tx) error { return g.late(tx, m, answer, change) })
		if !errors.Is(err, errTooEarly) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(latePause):
		}
	}
	return err
}

// lateChange is what a late answer to a part changes, but for what the network says.
func lateChange(m message.Outbound) event.Change { return event.Change{Attempt: m.Attempt} }

func (g *Gateway) late(tx *store.Tx, m message.Outbound, answer message.Part, c event.Change) error {
	states, err := g.load(tx, []message.ID{m.Message})
	if err != nil {
		return err
	}
	s := states[m.Message]
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.parts, func(p partRecord) bool { return p.Attempt == int64(m.Attempt) && p.Number == int64(m.Number) })
	if i < 0 {
		return errTooEarly
	}
	part := s.parts[i]
	if part.RemoteID != "" || message.Status(part.Status) > message.Failed {
		return nil // it is known already
	}
	part.RemoteID, part.Status, part.Code = answer.RemoteID, int16(answer.Status), c.Code
	s.setPart(part)
	s.post, s.void = answer.Status == message.Sent, answer.Status == message.Failed
	if err := g.settleLate(tx, s, m, c); err != nil {
		return err
	}
	if answer.RemoteID != "" {
		p := &sending{out: m, remote: answer.RemoteID, at: moment(part.SentAt)}
		p.row.ID, p.row.AccountID, p.row.ChannelID, p.row.Recipient = m.Message, m.Account, part.ChannelID, m.To.String()
		early, err := g.earlyUnder(tx, []earlyOfParams{p.earlyKey()})
		if err != nil {
			return err
		}
		if err := g.takeEarly(tx, s, p, early); err != nil {
			return err
		}
	}
	return g.write(tx, []*state{s})
}

// settleLate decides what a late answer means for the message. While someone sends the part again it is a fact and no
// more. Else the resend is taken back, and what is left of a longer text goes out.
func (g *Gateway) settleLate(tx *store.Tx, s *state, m message.Outbound, c event.Change) error {
	if s.row.Status.Waiting() {
		removed, err := g.takeBack(tx, s)
		if err != nil {
			return err
		}
		if !removed {
			s.void = false
			return nil
		}
		s.row.Duplicate, s.row.Attempt = s.sentAgain(), int64(m.Attempt)
	}
	if s.fold() != message.Sending || s.row.Status != message.Unknown && !s.row.Status.Waiting() {
		s.refold(tx.Now(), c)
		return nil
	}
	if s.row.Status == message.Unknown {
		s.row.Status, s.row.Reason = message.Queued, ""
		s.happen(event.Retrying, tx.Now(), event.Change{Reason: cmp.Or(c.Reason, "late_answer"), Attempt: m.Attempt})
	}
	return g.goOn(tx, m)
}

// sentAgain reports whether a part went out again though the network may have had it, as far as is known.
func (s *state) sentAgain() bool {
	return slices.ContainsFunc(s.parts, func(p partRecord) bool {
		return message.Status(p.Status) != message.Failed && slices.ContainsFunc(s.parts, func(q partRecord) bool {
			return q.Number == p.Number && q.Attempt > p.Attempt
		})
	})
}

// goOn queues what follows a part.
func (g *Gateway) goOn(tx *store.Tx, m message.Outbound) error {
	rows, err := store.First[messageRecord](tx, messageByID, []message.ID{m.Message})
	if err != nil || rows[0] == nil {
		return fmt.Errorf("read message: %w", err)
	}
	whole := messageOf(*rows[0])
	ch, _, err := g.Connections.Get(tx.Context(), whole.Channel)
	if err != nil {
		return err
	}
	job := jobFor(&whole, laneOf(ch, whole.To.String()), tx.Now())
	job.Step = stepOf(m.Attempt, m.Number+1)
	return g.Queue.Add(tx, []queue.Job{job})
}
