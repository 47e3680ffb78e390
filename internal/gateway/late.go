package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Late takes a network's answer to a part that came after its time was over: what was unknown is known after all. If the
// part waits to be sent again and nobody has begun to, it is not.
func (g *Gateway) Late(_ context.Context, m message.Outbound, remoteID string, err error) error {
	status, change := message.Sent, event.Change{Attempt: m.Attempt}
	if err != nil {
		fail, ok := errors.AsType[*channel.Failure](err)
		if !ok || fail.Verdict != channel.Reject {
			return nil // it says nothing about what became of the part
		}
		status, change.Reason, change.Code = message.Failed, fail.Code, fail.Native
	}
	return g.Store.Write(func(tx *store.Tx) error { return g.late(tx, m, remoteID, status, change) })
}

func (g *Gateway) late(tx *store.Tx, m message.Outbound, remoteID string, status message.Status, c event.Change) error {
	states, err := g.load(tx, []message.ID{m.Message})
	if err != nil {
		return err
	}
	s := states[m.Message]
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.parts, func(p partRecord) bool { return p.Attempt == int64(m.Attempt) && p.Number == int64(m.Number) })
	if i < 0 || message.Status(s.parts[i].Status) != message.Unknown {
		return nil
	}
	if waits, err := g.waitsAgain(tx, s, m); err != nil || waits {
		return err
	}
	part := s.parts[i]
	part.RemoteID, part.Status, part.Code = remoteID, int16(status), c.Code
	s.setPart(part)
	s.post, s.void = status == message.Sent, status == message.Failed
	s.refold(tx.Now(), c)
	if status == message.Sent {
		p := &sending{out: m, remote: remoteID, at: moment(part.SentAt)}
		p.row.ID, p.row.AccountID, p.row.ChannelID, p.row.Recipient = m.Message, m.Account, part.ChannelID, m.To.String()
		if err := g.takeEarly(tx, s, p); err != nil {
			return err
		}
	}
	return g.write(tx, []*state{s})
}

// waitsAgain reports whether the part goes out again whatever the late answer says: someone has begun to, or the message
// has more parts to send.
func (g *Gateway) waitsAgain(tx *store.Tx, s *state, m message.Outbound) (bool, error) {
	if !s.row.Status.Waiting() {
		return false, nil
	}
	if s.row.Total > 1 {
		return true, nil
	}
	removed, err := g.Queue.Remove(tx, []queue.Job{{ID: int64(m.Message), Kind: sendKind, Account: m.Account}})
	if err != nil {
		return true, fmt.Errorf("take back a resend: %w", err)
	}
	return !removed[0], nil
}
