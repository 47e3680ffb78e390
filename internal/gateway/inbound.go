package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	keepInboundParts = 24 * time.Hour     // the parts of a text of which some never come
	keepSeen         = 72 * time.Hour     // inbound ids, against repeats
	answerWindow     = 7 * 24 * time.Hour // how long after our last message an inbound one may be its answer
)

// arrival is one inbound message within a shared transaction.
type arrival struct {
	in     message.Inbound
	owner  account.ID // by the number it was sent to; zero: by what it answers
	answer lastOutboundRow
}

// Inbound stores a message that came to us. When it returns nil the message is on disk and may be acknowledged. A part of
// a longer text is kept until all its parts are there.
func (g *Gateway) Inbound(ctx context.Context, in message.Inbound) error {
	owner, _, err := g.Numbers.Owner(ctx, in.Channel, in.To, in.Content.Text)
	if err != nil {
		return fmt.Errorf("find whose number it is: %w", err)
	}
	return g.inbounds.Do(&arrival{in: in, owner: owner}, 1)
}

// arrive stores what came together.
func (g *Gateway) arrive(tx *store.Tx, members []*arrival) error {
	fresh, err := g.unseen(tx, members)
	if err != nil {
		return err
	}
	var whole []*arrival
	for _, a := range fresh {
		w, err := g.join(tx, a)
		if err != nil {
			return err
		}
		if w != nil {
			whole = append(whole, w)
		}
	}
	if err := g.findOwners(tx, whole); err != nil {
		return err
	}
	return g.insertInbound(tx, whole)
}

// unseen leaves out what the network handed over before.
func (g *Gateway) unseen(tx *store.Tx, members []*arrival) (fresh []*arrival, err error) {
	var named []*arrival
	var rows []seeInboundParams
	for _, a := range members {
		if a.in.RemoteID == "" {
			fresh = append(fresh, a)
			continue
		}
		named = append(named, a)
		rows = append(rows, seeInboundParams{ChannelID: a.in.Channel, RemoteID: a.in.RemoteID, ExpiresAt: tx.Now().Add(keepSeen).UnixMilli()})
	}
	n, err := store.Each(tx, seeInbound, rows)
	if err != nil {
		return nil, fmt.Errorf("mark inbound ids: %w", err)
	}
	for i, a := range named {
		if n[i] == 1 {
			fresh = append(fresh, a)
		}
	}
	return fresh, nil
}

// join keeps a part, and returns the whole text once every part is there.
func (g *Gateway) join(tx *store.Tx, a *arrival) (*arrival, error) {
	j := a.in.Joint
	if j.Total <= 1 {
		return a, nil
	}
	key := inboundPartsParams{
		ChannelID: a.in.Channel, Sender: a.in.From.String(), Recipient: a.in.To.String(), Reference: int64(j.Reference),
		Total: int64(j.Total), Now: tx.NowMilli(),
	}
	content, _ := json.Marshal(a.in.Content)
	_, err := store.Each(tx, setInboundPart, []setInboundPartParams{{
		ChannelID: key.ChannelID, Sender: key.Sender, Recipient: key.Recipient, Reference: key.Reference, Total: key.Total,
		Number: int64(j.Number), Content: string(content), ExpiresAt: tx.Now().Add(keepInboundParts).UnixMilli(),
	}})
	if err != nil {
		return nil, fmt.Errorf("keep an inbound part: %w", err)
	}
	parts, err := store.Find[inboundPartsRow](tx, inboundParts, []inboundPartsParams{key})
	if err != nil {
		return nil, fmt.Errorf("read inbound parts: %w", err)
	}
	if len(parts) < j.Total {
		return nil, nil
	}
	var text strings.Builder
	for _, p := range parts {
		var c message.Content
		if err := json.Unmarshal([]byte(p.Row.Content), &c); err != nil {
			return nil, fmt.Errorf("read an inbound part: %w", err)
		}
		text.WriteString(c.Text)
	}
	drop := dropInboundPartsParams{ChannelID: key.ChannelID, Sender: key.Sender, Recipient: key.Recipient, Reference: key.Reference, Total: key.Total}
	if _, err := store.Each(tx, dropInboundParts, []dropInboundPartsParams{drop}); err != nil {
		return nil, fmt.Errorf("drop inbound parts: %w", err)
	}
	whole := &arrival{in: a.in, owner: a.owner}
	whole.in.Content, whole.in.Joint = message.Text(text.String()), message.Joint{}
	return whole, nil
}

// findOwners decides whose each message is: the number's owner, else the account whose last outbound went to the sender
// within seven days, else the operator.
func (g *Gateway) findOwners(tx *store.Tx, whole []*arrival) error {
	asks := make([]lastOutboundParams, len(whole))
	for i, a := range whole {
		asks[i] = lastOutboundParams{Recipient: a.in.From.String(), Since: message.ID(since(tx.Now().Add(-answerWindow))), ChannelID: a.in.Channel}
	}
	found, err := store.First[lastOutboundRow](tx, lastOutbound, asks)
	if err != nil {
		return fmt.Errorf("find what is answered: %w", err)
	}
	for i, a := range whole {
		if f := found[i]; f != nil && (a.owner == 0 || a.owner == f.AccountID) {
			a.answer, a.owner = *f, f.AccountID
		}
		if a.owner == 0 {
			if a.owner, err = on(tx.Queries()).OperatorAccount(tx.Context()); err != nil {
				return fmt.Errorf("find the operator's account: %w", err)
			}
		}
	}
	return nil
}

// insertInbound writes the messages, their events, and what their words say about consent.
func (g *Gateway) insertInbound(tx *store.Tx, whole []*arrival) error {
	rows := make([]addMessageParams, len(whole))
	events := make([]event.Event, len(whole))
	var choices []consent.Choice
	for i, a := range whole {
		m := message.Message{
			ID: message.ID(tx.NewID()), Account: a.owner, Direction: message.In, Kind: message.SMS, Channel: a.in.Channel, To: a.in.To,
			From: a.in.From, Content: a.in.Content, Status: message.Received, Seq: 1, Total: 1, Priority: message.Transactional,
			Updated: tx.Now(), Answers: a.answer.ID,
		}
		rows[i] = rowOf(&m)
		events[i] = event.Event{Subject: int64(m.ID), Seq: 1, Account: a.owner, Kind: event.Received, Change: event.Change{Status: m.Status.String()}, At: tx.Now()}
		if w := consent.Read(a.in.Content.Text); w == consent.Stop || w == consent.Start {
			choices = append(choices, consent.Choice{Account: a.owner, Address: a.in.From, Out: w == consent.Stop, Source: "inbound", Word: strings.TrimSpace(a.in.Content.Text)})
		}
	}
	if _, err := store.Each(tx, addMessage, rows); err != nil {
		return fmt.Errorf("insert inbound messages: %w", err)
	}
	if err := g.Events.Append(tx, events); err != nil {
		return err
	}
	_, err := g.Consent.Record(tx, choices)
	return err
}
