package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/report"
	"tidings.dev/internal/store"
)

const (
	joinWait         = 30 * time.Minute   // how long the parts of a text wait for each other
	keepInboundParts = 24 * time.Hour     // how long they are kept if even that does not end their wait
	keepSeen         = 72 * time.Hour     // inbound ids, against repeats
	answerWindow     = 7 * 24 * time.Hour // how long after our last message an inbound one may be its answer
)

// arrival is one inbound message within a shared transaction.
type arrival struct {
	in         message.Inbound
	owner      account.ID // by the number it was sent to; zero: by what it answers
	answers    message.ID
	kind       message.Kind
	contact    message.ContactID
	incomplete bool // parts of it never came
}

// Inbound stores a message that came to us. When it returns nil the message is on disk and may be acknowledged. A part of
// a longer text is kept until all its parts are there.
func (g *Gateway) Inbound(ctx context.Context, in message.Inbound) error {
	ours := in.To
	if in.Own {
		ours = in.From
	}
	owner, _, err := g.Numbers.Owner(ctx, in.Channel, ours, in.Content.Text)
	if err != nil {
		return fmt.Errorf("find whose number it is: %w", err)
	}
	if l := in.Content.Location; l != nil && !onEarth(l) {
		in.Content = message.Content{Version: in.Content.Version, Type: message.TypeOther, Text: string(message.TypeLocation), Quote: in.Content.Quote}
	}
	return g.inbounds.Do(&arrival{in: in, owner: owner}, 1)
}

// arrive stores what came together.
func (g *Gateway) arrive(tx *store.Tx, members []*arrival) error {
	fresh, err := g.unseen(tx, members)
	if err != nil {
		return err
	}
	if fresh, err = g.unknownHere(tx, fresh); err != nil {
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
	if err := g.findNamed(tx, whole); err != nil {
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
	if a.in.Joint.Total <= 1 {
		return a, nil
	}
	key := jointOf(a.in)
	err := store.Run(tx, setInboundPart, []setInboundPartParams{{
		ChannelID: key.ChannelID, Sender: key.Sender, Recipient: key.Recipient, Reference: key.Reference, Total: key.Total,
		Number: int64(a.in.Joint.Number), Content: encode(a.in.Content), ExpiresAt: tx.Now().Add(keepInboundParts).UnixMilli(),
	}})
	if err != nil {
		return nil, fmt.Errorf("keep an inbound part: %w", err)
	}
	parts, err := store.Find[inboundPartsRow](tx, inboundParts, []inboundPartsParams{key})
	if err != nil {
		return nil, fmt.Errorf("read inbound parts: %w", err)
	}
	switch len(parts) {
	case a.in.Joint.Total:
		return g.joined(tx, key, parts)
	case 1:
		return nil, g.Queue.Add(tx, []queue.Job{giveUpJob(tx, key, tx.Now().Add(joinWait))})
	}
	return nil, nil
}

// jointOf is what the parts of one text have in common.
func jointOf(in message.Inbound) inboundPartsParams {
	return inboundPartsParams{
		ChannelID: in.Channel, Sender: in.From.String(), Recipient: in.To.String(), Reference: int64(in.Joint.Reference), Total: int64(in.Joint.Total),
	}
}

// joined is the text of the parts that are there, which are kept no more.
func (g *Gateway) joined(tx *store.Tx, key inboundPartsParams, parts []store.Found[inboundPartsRow]) (*arrival, error) {
	var text strings.Builder
	for _, p := range parts {
		var c message.Content
		if err := json.Unmarshal([]byte(p.Row.Content), &c); err != nil {
			return nil, fmt.Errorf("read an inbound part: %w", err)
		}
		text.WriteString(c.Text)
	}
	if err := store.Run(tx, dropInboundParts, []dropInboundPartsParams{dropInboundPartsParams(key)}); err != nil {
		return nil, fmt.Errorf("drop inbound parts: %w", err)
	}
	whole := &arrival{in: message.Inbound{
		Channel: key.ChannelID, From: message.ParseAddress(key.Sender), To: message.ParseAddress(key.Recipient), Content: message.Text(text.String()),
	}}
	var err error
	whole.owner, _, err = g.Numbers.Owner(tx.Context(), key.ChannelID, whole.in.To, text.String()) // its first word is in its first part
	return whole, err
}

// giveUpJob is the job that ends the wait for parts that do not come.
func giveUpJob(tx *store.Tx, key inboundPartsParams, at time.Time) queue.Job {
	return queue.Job{ID: tx.NewID(), Lane: houseLane, Kind: jointKind, Subject: int64(key.ChannelID), Priority: int(message.Bulk), Due: at, Data: encode(key)}
}

// giveUpJoin stores what is there of texts whose other parts have not come in time, and says so.
func (g *Gateway) giveUpJoin(tx *store.Tx, tasks []*queue.Task) error {
	var whole []*arrival
	for _, t := range tasks {
		t.Settled, t.Next = true, queue.Done()
		var key inboundPartsParams
		if err := json.Unmarshal([]byte(t.Data), &key); err != nil {
			return fmt.Errorf("read the job of an inbound text: %w", err)
		}
		parts, err := store.Find[inboundPartsRow](tx, inboundParts, []inboundPartsParams{key})
		if err != nil {
			return fmt.Errorf("read inbound parts: %w", err)
		}
		if len(parts) == 0 {
			continue // all came
		}
		began := moment(slices.MinFunc(parts, func(a, b store.Found[inboundPartsRow]) int {
			return cmp.Compare(a.Row.ExpiresAt, b.Row.ExpiresAt)
		}).Row.ExpiresAt).Add(-keepInboundParts)
		if due := began.Add(joinWait); due.After(tx.Now()) { // they are of a later text with the same number
			continue
		}
		a, err := g.joined(tx, key, parts)
		if err != nil {
			return err
		}
		a.incomplete = true
		whole = append(whole, a)
	}
	if err := g.findOwners(tx, whole); err != nil {
		return err
	}
	return g.insertInbound(tx, whole)
}

// findOwners decides whose each message is: the number's owner, else that of the channel, else the account whose last outbound went to
// the sender within seven days, else the operator. What is past answers nothing that is known here.
func (g *Gateway) findOwners(tx *store.Tx, whole []*arrival) error {
	for _, a := range whole {
		ch, _, err := g.Connections.Get(tx.Context(), a.in.Channel)
		if err != nil {
			return err
		}
		if a.kind = ch.Kind; a.owner == 0 {
			a.owner = ch.Account // nobody else writes by it
		}
	}
	names, err := g.aliases(tx, slices.DeleteFunc(slices.Clone(whole), func(a *arrival) bool { return a.in.Past }))
	if err != nil {
		return err
	}
	if err := g.findAnswered(tx, names); err != nil {
		return err
	}
	for _, a := range whole {
		if a.owner == 0 {
			if a.owner, err = on(tx.Queries()).OperatorAccount(tx.Context()); err != nil {
				return fmt.Errorf("find the operator's account: %w", err)
			}
		}
	}
	return nil
}

// findAnswered finds the newest message that went to a sender, under whatever name: what they wrote is most likely its answer, and its
// account's.
func (g *Gateway) findAnswered(tx *store.Tx, names []alias) error {
	answered := since(tx.Now().Add(-answerWindow))
	var owned, free []alias
	var ofOwner []lastOutboundOfParams
	var ofAnyone []lastOutboundParams
	for _, n := range names {
		to, ch := n.address.String(), n.of.in.Channel
		if n.account != 0 {
			owned, ofOwner = append(owned, n), append(ofOwner, lastOutboundOfParams{Recipient: to, AccountID: n.account, Since: answered, ChannelID: ch})
			continue
		}
		free, ofAnyone = append(free, n), append(ofAnyone, lastOutboundParams{Recipient: to, Since: answered, ChannelID: ch})
	}
	own, err := store.First[message.ID](tx, lastOutboundOf, ofOwner)
	if err != nil {
		return fmt.Errorf("find what is answered: %w", err)
	}
	last, err := store.First[lastOutboundRow](tx, lastOutbound, ofAnyone)
	if err != nil {
		return fmt.Errorf("find who is answered: %w", err)
	}
	for i, n := range owned {
		if own[i] != nil {
			n.of.answer(n.account, *own[i])
		}
	}
	for i, n := range free {
		if last[i] != nil {
			n.of.answer(last[i].AccountID, last[i].MessageID)
		}
	}
	return nil
}

// answer notes what the message answers, unless it answers something newer.
func (a *arrival) answer(of account.ID, id message.ID) {
	if id > a.answers {
		a.owner, a.answers = of, id
	}
}

// insertInbound writes the messages, their events, what their words say about consent, and who is to be answered.
func (g *Gateway) insertInbound(tx *store.Tx, whole []*arrival) error {
	rows := make([]addMessageParams, len(whole))
	var news []report.Usage
	var events []event.Event
	var parts []setPartParams
	var files []queue.Job
	var choices []consent.Choice
	var choosers, answered []asker
	if err := g.meetSenders(tx, whole); err != nil {
		return err
	}
	for i, a := range whole {
		m := message.Message{
			ID: message.ID(tx.NewID()), Account: a.owner, Direction: message.In, Kind: a.kind, Contact: a.contact, Channel: a.in.Channel, To: a.in.To,
			From: a.in.From, Content: a.in.Content, Status: message.Received, Seq: 1, Total: 1, Priority: message.Transactional,
			Updated: tx.Now(), Answers: a.answers,
		}
		if a.incomplete {
			m.Reason = "incomplete"
		}
		a.circumstances(&m)
		jobs, err := g.expectFiles(tx, a, &m)
		if err != nil {
			return err
		}
		files = append(files, jobs...)
		rows[i] = rowOf(&m)
		if a.in.RemoteID != "" && g.names(tx.Context(), m.Channel) {
			parts = append(parts, a.part(&m))
		}
		if a.in.Past {
			continue
		}
		events = append(events, a.event(&m, tx.Now()))
		if a.in.Own {
			continue
		}
		news = append(news, report.Usage{Account: m.Account, Channel: m.Channel, Kind: m.Kind, Counts: report.Counts{Inbound: 1}})
		switch w := a.word(); w {
		case consent.Stop, consent.Start:
			choices = append(choices, consent.Choice{Account: a.owner, Address: a.in.From, Out: w == consent.Stop, Source: "message", Word: strings.TrimSpace(a.in.Content.Text)})
			choosers = append(choosers, asker{m.ID, a.owner, a.in})
		case consent.Help:
			answered = append(answered, asker{m.ID, a.owner, a.in})
		}
	}
	if err := store.Run(tx, addMessage, rows); err != nil {
		return fmt.Errorf("insert inbound messages: %w", err)
	}
	if err := store.Run(tx, setPart, parts); err != nil {
		return fmt.Errorf("insert the ids of inbound messages: %w", err)
	}
	if err := report.Add(tx, news); err != nil {
		return err
	}
	if err := g.Events.Append(tx, events); err != nil {
		return err
	}
	changed, err := g.Choose(tx, choices)
	if err != nil {
		return err
	}
	for i, c := range choosers {
		if changed[i] {
			answered = append(answered, c)
		}
	}
	jobs, err := g.answers(tx, answered)
	if err != nil || len(jobs)+len(files) == 0 {
		return err
	}
	return g.Queue.Add(tx, append(jobs, files...))
}
