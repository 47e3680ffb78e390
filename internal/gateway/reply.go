package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	replyValidity = 5 * time.Minute // an answer to STOP, START or HELP that cannot go out sooner does not go out
	replyTime     = 4 * time.Minute // in which it may be accepted: a message is valid for a minute at least
	replyAgain    = 5 * time.Second
	helpPause     = time.Minute // between answers to HELP of one sender
)

// answers are the jobs that answer what people wrote: a STOP or START that changed something, and every HELP.
func (g *Gateway) answers(tx *store.Tx, askers []asker) (jobs []queue.Job, err error) {
	for _, a := range askers {
		able, err := g.answerable(tx.Context(), a.in)
		if err != nil {
			return nil, err
		}
		if able {
			jobs = append(jobs, queue.Job{
				ID: tx.NewID(), Lane: houseLane, Kind: replyKind, Subject: int64(a.id), Account: a.owner, OrderKey: a.in.From.String(),
				Priority: int(message.Transactional), Due: tx.Now(), Expires: tx.Now().Add(replyTime),
			})
		}
	}
	return jobs, nil
}

// asker is an inbound message whose word is to be answered.
type asker struct {
	id    message.ID
	owner account.ID
	in    message.Inbound
}

// answerable tells whether an inbound message may be answered: it came from somebody who can be, and is not one of ours.
func (g *Gateway) answerable(ctx context.Context, in message.Inbound) (bool, error) {
	outside, err := g.Outside(ctx, in.Channel, in.From)
	return outside && (in.From.Kind == message.Phone || in.From.Kind == message.LID), err
}

// Outside tells whether what an address wrote by a channel came from somebody who is not one of ours, by a real network: whoever sends
// by himself because something came in must ask. Two of our own numbers must not talk to each other without end.
func (g *Gateway) Outside(ctx context.Context, by message.ChannelID, from message.Address) (bool, error) {
	all, err := g.Connections.All(ctx)
	if err != nil {
		return false, err
	}
	for _, ch := range all {
		if ch.Sender == from || ch.ID == by && ch.Driver == TestDriver {
			return false, nil
		}
	}
	ours, err := g.Numbers.Ours(ctx, from)
	return !ours, err
}

// reply answers a STOP, START or HELP. What cannot be accepted, as when the wallet is empty, is not answered: what was chosen
// counts all the same.
func (g *Gateway) reply(ctx context.Context, t *queue.Task) queue.Next {
	id := message.ID(t.Subject)
	err := g.answer(ctx, t.Account, id)
	if err == nil || ctx.Err() != nil {
		return queue.Done()
	}
	if f := fault.Of(err); f != nil && f.Code.Kind() != fault.Unavailable {
		g.Log.Info("a word was not answered", "message", id, "account", t.Account, "err", err)
		return queue.Done()
	}
	g.Log.Error("cannot answer a word", "message", id, "account", t.Account, "err", err)
	return queue.Again(g.Store.Now().Add(replyAgain), 0, "")
}

// answer submits the answer to an inbound message, as any message of its account: from the number that it was sent to, by the
// channel that it came by. It goes out once at most.
func (g *Gateway) answer(ctx context.Context, owner account.ID, id message.ID) error {
	in, err := g.Message(ctx, owner, id)
	if err != nil {
		return err
	}
	a, err := g.Members.Working(ctx, owner)
	if err != nil {
		return err
	}
	replies, err := g.Consent.Replies(ctx, owner)
	if err != nil {
		return err
	}
	text := replies.To(in.Content.Text)
	if text == "" {
		return nil
	}
	if consent.Read(in.Content.Text) == consent.Help {
		if helped, err := g.helped(ctx, in); err != nil || helped {
			return err
		}
	}
	reply, err := g.Submit(ctx, Caller{Account: a, Key: account.Key{Account: owner}, By: audit.System}, Request{
		Key: id.String(), Scope: replyKind,
		Drafts: []message.Draft{{
			Channel: in.Channel, Kind: in.Kind, To: in.From.String(), From: in.To.Display(), Content: message.Text(text), Answers: id,
			Priority: message.Transactional, OnUnknown: message.Fail, ValidUntil: id.Time().Add(replyValidity),
		}},
	})
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	return nil
}

// helped tells whether the sender was answered a HELP lately.
func (g *Gateway) helped(ctx context.Context, in message.Message) (bool, error) {
	rows, err := on(g.Store.Reader()).AnsweredLately(ctx, answeredLatelyParams{
		Recipient: in.From.String(), AccountID: in.Account, Since: since(g.Store.Now().Add(-helpPause)),
	})
	if err != nil {
		return false, fmt.Errorf("look for earlier answers: %w", err)
	}
	for _, text := range rows {
		var c message.Content
		if json.Unmarshal([]byte(text), &c) == nil && consent.Read(c.Text) == consent.Help {
			return true, nil
		}
	}
	return false, nil
}
