package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	// channelTries is how often in a row a channel may not take a message before another default channel is tried: about a minute.
	channelTries = 6
	channelLook  = time.Second // how often messages are looked for whose channel is down
)

// channelDown is why a message moved to another channel before this one took it.
const channelDown = "channel_down"

// detour is another channel that carries a message, and how.
type detour struct {
	channel connection.Channel
	from    message.Address
	split   message.Split
	joint   uint16
}

// divert plans the next default channel for a message that its own does not take. Nothing of it may be out: a longer text whose
// first part was taken stays where it is.
func (g *Gateway) divert(p *sending, m memo) bool {
	if !m.spare || p.out.Number != 1 || !m.asked.IsZero() {
		return false
	}
	d, err := g.detourOf(context.Background(), &p.row, true)
	if err != nil {
		g.Log.Error("cannot find another channel", "message", p.row.ID, "err", err)
	}
	if d == nil {
		return false
	}
	p.plan, p.detour = moved, d
	return true
}

// detourOf is the first of the account's default channels that is up and can carry the message instead of its own; onward: of
// those after its own. nil: there is none.
func (g *Gateway) detourOf(ctx context.Context, row *messageRecord, onward bool) (*detour, error) {
	list, err := g.defaults(ctx, row.AccountID, message.Kind(row.Kind))
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(c connection.Channel) bool { return c.ID == row.ChannelID })
	if onward {
		list = list[at+1:]
	}
	for _, ch := range list {
		if ch.ID == row.ChannelID || g.down(ctx, ch.ID) {
			continue
		}
		if d, err := g.by(ctx, row, ch); d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}

// by is how a channel carries a message that was accepted for another; nil when it cannot.
func (g *Gateway) by(ctx context.Context, row *messageRecord, ch connection.Channel) (*detour, error) {
	m := messageOf(*row)
	if !m.Content.Plain() && (m.Content.Quote != nil || m.Content.About != nil || g.checkCarried(ch, &m.Content, m.To) != nil) {
		return nil, nil //nolint:nilerr // it names messages of its own channel, or is nothing that this one carries
	}
	d := &detour{channel: ch, from: m.From, joint: m.Joint}
	own, _, err := g.Connections.Get(ctx, m.Channel)
	if err != nil {
		return nil, err
	}
	if m.From == own.Sender {
		d.from = ch.Sender
		if may, err := g.mayTurn(ctx, &m, d.from); err != nil || !may {
			return nil, err
		}
	} else if may, err := g.maySend(ctx, m.Account, ch, m.From); err != nil || !may {
		return nil, err
	}
	d.split, err = g.split(ch, m.Content)
	switch {
	case fault.Of(err) != nil:
		return nil, nil //nolint:nilerr // it is too long for this one
	case err != nil:
		return nil, err
	}
	if d.split.Total > 1 && d.joint == 0 {
		d.joint = uint16(g.joint.Add(1))
	}
	return d, nil
}

// depart notes that a message goes to another channel after this one did not take it.
func (s *state) depart(p *sending, now time.Time, c event.Change) {
	if p.fail.Verdict == channel.Reject {
		s.setPart(partRecord{
			Attempt: int64(p.out.Attempt), Number: int64(p.out.Number), ChannelID: p.row.ChannelID, Status: int16(message.Failed),
			Code: c.Code, SentAt: milli(p.at), DoneAt: milli(p.at),
		})
	}
	s.row.Attempt = int64(p.out.Attempt) + 1
	s.happen(event.Retrying, now, c)
}

// job is the job that sends a message by its new channel.
func (d *detour) job(row *messageRecord, attempt int64, due time.Time) queue.Job {
	m := messageOf(*row)
	job := jobFor(&m, laneOf(d.channel, row.Recipient), due)
	job.Due, job.Step, job.Data = due, stepOf(int(attempt), 1), spareMark
	return job
}

// follow writes which channel carries a message now, and how.
func (g *Gateway) follow(tx *store.Tx, row *messageRecord, d *detour) error {
	g.recent.take(row.ID)
	err := store.Run(tx, routeMessage, []routeMessageParams{{
		ChannelID: d.channel.ID, Sender: d.from.String(), Total: int64(d.split.Total), Encoding: d.split.Encoding, Joint: int64(d.joint), ID: row.ID,
	}})
	if err != nil {
		return fmt.Errorf("route message %s: %w", row.ID, err)
	}
	if row.ContactID == 0 {
		return nil
	}
	return g.Conversations.Record(tx, []conversation.News{{Account: row.AccountID, Channel: d.channel.ID, Contact: row.ContactID, At: row.ID.Time()}})
}

// failOver moves waiting messages from channels that are down to the next of their accounts' default channels, until ctx ends.
// One that is back at once keeps its messages.
func (g *Gateway) failOver(ctx context.Context) {
	for pause := channelLook; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		if err := g.moveFromDown(ctx); err != nil && ctx.Err() == nil {
			g.Log.Error("cannot move messages from a channel that is down", "err", err)
		}
		pause = max(channelLook, 20*time.Since(began))
	}
}

// moveFromDown moves what waits in the lanes of channels that have been down for a moment, or are disabled.
func (g *Gateway) moveFromDown(ctx context.Context) error {
	all, err := g.Connections.All(ctx)
	if err != nil {
		return err
	}
	for _, ch := range all {
		since, down := g.Connections.Down(ctx, ch.ID)
		if ch.Enabled && (!down || g.Store.Now().Sub(since) < channelLook) {
			continue
		}
		for shard := range max(1, ch.Shards) {
			if err := g.emptyLane(ctx, Lane(ch.ID, shard)); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyLane moves the messages of a lane that may go out by another channel.
func (g *Gateway) emptyLane(ctx context.Context, lane string) error {
	for after := int64(0); ctx.Err() == nil; {
		jobs, err := g.Queue.Marked(ctx, lane, after)
		if err != nil || len(jobs) == 0 {
			return err
		}
		after = jobs[len(jobs)-1].ID
		jobs = slices.DeleteFunc(jobs, func(j queue.Job) bool { return !readMemo(j.Data).spare })
		if len(jobs) == 0 {
			continue
		}
		if err := g.Store.Write(func(tx *store.Tx) error { return g.moveJobs(tx, jobs) }); err != nil {
			return fmt.Errorf("move messages: %w", err)
		}
	}
	return nil
}

// moveJobs moves messages to other channels, but for those that someone sends, or that went out in part, or that no other
// channel can carry.
func (g *Gateway) moveJobs(tx *store.Tx, jobs []queue.Job) error {
	ids := make([]message.ID, len(jobs))
	for i, j := range jobs {
		ids[i] = message.ID(j.ID)
	}
	found, err := store.Find[messageRecord](tx, messageByID, ids)
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	states, err := g.load(tx, ids)
	if err != nil {
		return err
	}
	var take []queue.Job
	var rows []*messageRecord
	var detours []*detour
	for i := range found {
		row, s := &found[i].Row, states[found[i].Row.ID]
		if !s.row.Status.Waiting() || s.out() {
			continue
		}
		d, err := g.detourOf(tx.Context(), row, false)
		if err != nil {
			return err
		}
		if d != nil {
			take, rows, detours = append(take, jobs[found[i].Of]), append(rows, row), append(detours, d)
		}
	}
	return g.relocate(tx, take, rows, detours, states)
}

// out reports whether a network has, or may have, a part of the message.
func (s *state) out() bool {
	return slices.ContainsFunc(s.parts, func(p partRecord) bool { return message.Status(p.Status) != message.Failed })
}

// relocate takes jobs out of their lanes and puts those that nobody works at into others.
func (g *Gateway) relocate(tx *store.Tx, take []queue.Job, rows []*messageRecord, detours []*detour, states map[message.ID]*state) error {
	removed, err := g.Queue.Remove(tx, take)
	if err != nil {
		return err
	}
	var list []*state
	var jobs []queue.Job
	for i, row := range rows {
		if !removed[i] {
			continue
		}
		s := states[row.ID]
		if take[i].Fence > 0 { // it was tried before
			s.row.Attempt++
		}
		s.happen(event.Retrying, tx.Now(), event.Change{Reason: channelDown, Attempt: int(s.row.Attempt)})
		list = append(list, s)
		due := tx.Now()
		if take[i].Due.Before(due) {
			due = take[i].Due // what came first goes first
		}
		jobs = append(jobs, detours[i].job(row, s.row.Attempt, due))
	}
	if err := g.write(tx, list); err != nil {
		return err
	}
	for i, row := range rows {
		if removed[i] {
			if err := g.follow(tx, row, detours[i]); err != nil {
				return err
			}
		}
	}
	return g.Queue.Add(tx, jobs)
}
