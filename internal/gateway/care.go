package gateway

import (
	"context"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Care is how carefully a channel sends; false: as fast as its rate allows.
func (g *Gateway) Care(c connection.Channel) (channel.Care, bool) {
	d, ok := g.drivers[c.Driver]
	if !ok || d.Care == nil {
		return channel.Care{}, false
	}
	return d.Care(c.Settings), true
}

// Careful is how a channel that sends carefully is today.
type Careful struct {
	channel.Care
	Most  int       // messages today; 0: any number
	Sent  int       // messages today
	Until time.Time // nothing goes before, because of a limit of the network or because the day is full; zero: messages go
}

// Careful tells how a channel that sends carefully is today, the same from every server; false for one that does not.
func (g *Gateway) Careful(ctx context.Context, c connection.Channel) (now Careful, ok bool, err error) {
	care, ok := g.Care(c)
	if !ok {
		return now, false, nil
	}
	d, err := g.Connections.Device(ctx, c.ID)
	if err != nil {
		return now, false, err
	}
	sent, err := g.Connections.Sent(ctx, c.ID)
	at := g.Store.Now()
	now = Careful{Care: care, Most: connection.Allowance(care, d.Linked, at), Sent: sent, Until: d.LimitedUntil(at)}
	if now.Until.IsZero() && now.Most > 0 && sent >= now.Most {
		now.Until = connection.Tomorrow(at)
	}
	return now, true, err
}

// Closed reports whether a channel that sends carefully sends nothing now: its network limits it, or it has sent what it may
// today. The channel's session is here. It costs a look into memory.
func (g *Gateway) Closed(c connection.Channel, care channel.Care) bool {
	now := g.Store.Now()
	d, err := g.Connections.Device(context.Background(), c.ID)
	if err != nil {
		return true // nobody knows, so that nothing goes
	}
	most := connection.Allowance(care, d.Linked, now)
	return !d.LimitedUntil(now).IsZero() || most > 0 && g.Connections.Spent(c.ID) >= most
}

// spend counts a message that is about to go out by a channel that sends carefully. Beyond what it may send today, the message
// waits where it was.
func (g *Gateway) spend(tx *store.Tx, t *queue.Task, row *messageRecord) error {
	if _, part := ofStep(t.Step); part > 1 {
		return nil
	}
	c, _, err := g.Connections.Get(tx.Context(), row.ChannelID)
	if err != nil {
		return err
	}
	care, ok := g.Care(c)
	if !ok {
		return nil
	}
	d, err := g.Connections.Device(tx.Context(), c.ID)
	if err != nil {
		return err
	}
	may, err := g.Connections.Spend(tx, c.ID, connection.Allowance(care, d.Linked, tx.Now()))
	if err == nil && !may {
		t.Settled, t.Next = true, queue.Back(t.Step, t.Data)
	}
	return err
}

// unspend takes back what spend counted for messages that the network surely has not got.
func (g *Gateway) unspend(tx *store.Tx, tasks []*queue.Task) error {
	var ids []message.ChannelID
	var at []time.Time
	for _, t := range tasks {
		p := t.Payload.(*sending)
		if t.Fenced || p.fail == nil || p.fail.Verdict != channel.Retry || p.out.Number > 1 {
			continue
		}
		c, _, err := g.Connections.Get(tx.Context(), p.row.ChannelID)
		if err != nil {
			return err
		}
		if _, careful := g.Care(c); careful {
			ids, at = append(ids, c.ID), append(at, p.at)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return g.Connections.Return(tx, ids, at)
}
