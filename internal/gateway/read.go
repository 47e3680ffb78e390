package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// since is the smallest key of a moment.
func since(t time.Time) int64 { return int64(id.At[message.Message](t)) }

// Message returns a message of the account with its parts, as it is now. fault.NotHere for any other.
func (g *Gateway) Message(ctx context.Context, a account.ID, id message.ID) (message.Message, error) {
	rows := on(g.Store.Reader())
	r, err := rows.MessageByID(ctx, messageByIDParams{ID: id})
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return message.Message{}, fault.New(fault.NotHere, "there is no message %s", id)
	}
	if err != nil {
		return message.Message{}, fmt.Errorf("read message: %w", err)
	}
	m := messageOf(r)
	parts, err := rows.PartsOf(ctx, partsOfParams{MessageID: id})
	if err != nil {
		return m, fmt.Errorf("read parts: %w", err)
	}
	for _, p := range parts {
		m.Parts = append(m.Parts, partOf(p))
	}
	if err := g.withFile(ctx, &m); err != nil {
		return m, err
	}
	err = g.live(ctx, &m)
	return m, err
}

// Stored returns messages as they are in the transaction, without their parts; those that are gone are left out.
func (g *Gateway) Stored(tx *store.Tx, ids []message.ID) (map[message.ID]message.Message, error) {
	asks := make([]messageByIDParams, len(ids))
	for i, one := range ids {
		asks[i].ID = one
	}
	rows, err := store.First[messageRecord](tx, messageByID, asks)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	found := make(map[message.ID]message.Message, len(ids))
	for _, r := range rows {
		if r != nil {
			found[r.ID] = messageOf(*r)
		}
	}
	return found, nil
}

// Brief returns a message of the account as it is stored, without its parts; false when it is gone.
func (g *Gateway) Brief(ctx context.Context, a account.ID, id message.ID) (message.Message, bool, error) {
	r, err := on(g.Store.Reader()).MessageByID(ctx, messageByIDParams{ID: id})
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return message.Message{}, false, nil
	}
	if err != nil {
		return message.Message{}, false, fmt.Errorf("read message: %w", err)
	}
	return messageOf(r), true, nil
}

// live brings a waiting status up to this moment.
func (g *Gateway) live(ctx context.Context, m *message.Message) error {
	if !m.Status.Waiting() {
		return nil
	}
	owner, err := on(g.Store.Reader()).WorkedAt(ctx, workedAtParams{ID: int64(m.ID)})
	if err != nil && !store.NoRows(err) {
		return fmt.Errorf("look at the queue: %w", err)
	}
	m.Status = liveStatus(m, owner, g.Store.Now())
	return nil
}

// liveStatus is the status of a waiting message: what is scheduled and due is queued, what a worker has is sending.
func liveStatus(m *message.Message, owner int64, now time.Time) message.Status {
	switch {
	case owner != 0:
		return message.Sending
	case m.Status == message.Scheduled && !m.Scheduled.After(now):
		return message.Queued
	default:
		return m.Status
	}
}

// Filter chooses messages of a list: by time and at most one of To, Channel, Reference, and Status with Direction.
type Filter struct {
	To           message.Address
	Channel      message.ChannelID
	Reference    string
	Status       message.Status
	Direction    message.Direction
	Since, Until time.Time
	Before       message.ID // Next of the page before
	Limit        int
}

// Page is a piece of a list.
type Page struct {
	Messages []message.Message
	Next     message.ID // the next page is before it; 0: there is none
}

// waitingWindow is how many waiting messages are looked at for one page: among very many, those of one status may be rare.
const waitingWindow = 5000

// List returns the newest messages of the account that the filter lets through, newest first. A page of a status that waits
// may have fewer than there are, and yet a next one.
func (g *Gateway) List(ctx context.Context, a account.ID, f Filter) (Page, error) {
	if f.count() > 1 {
		return Page{}, fault.New(fault.InvalidField, "a list is filtered by one of recipient, channel, reference, and status with direction")
	}
	f, some := f.settled()
	if !some {
		return Page{}, nil
	}
	read := g.listed
	if f.Status.Waiting() {
		read = g.waiting
	}
	p, err := read(ctx, a, f)
	if err == nil {
		err = g.withFiles(ctx, p.Messages)
	}
	if err != nil {
		return p, fmt.Errorf("list messages: %w", err)
	}
	return p, nil
}

// count is how many filters there are that each take an index of their own.
func (f Filter) count() (n int) {
	for _, given := range []bool{f.To.Value != "", f.Channel != 0, f.Reference != "", f.Status != 0 || f.Direction != 0} {
		if given {
			n++
		}
	}
	return n
}

// settled says the direction by the status: only what came in is received. It reports whether any message can be both.
func (f Filter) settled() (Filter, bool) {
	switch {
	case f.Direction == 0:
		return f, true
	case f.Status == 0 && f.Direction == message.Out:
		return f, true
	case f.Status == 0:
		f.Status = message.Received
	}
	some := (f.Status == message.Received) == (f.Direction == message.In)
	f.Direction = 0
	return f, some
}

// span is the keys that the filter's times and its page leave, from the first to before the last.
func (f Filter) span() (from, before message.ID) {
	before = message.ID(math.MaxInt64)
	if f.Before != 0 {
		before = f.Before
	}
	if !f.Until.IsZero() {
		before = min(before, message.ID(since(f.Until)))
	}
	if !f.Since.IsZero() {
		from = message.ID(since(f.Since))
	}
	return from, before
}

// listed reads a page and one message more, to know whether there is another page.
func (g *Gateway) listed(ctx context.Context, a account.ID, f Filter) (p Page, err error) {
	rows, err := g.page(ctx, a, f)
	if err != nil {
		return p, err
	}
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		p.Next = rows[f.Limit-1].ID
	}
	p.Messages = make([]message.Message, len(rows))
	for i, r := range rows {
		p.Messages[i] = messageOf(r)
		if err := g.live(ctx, &p.Messages[i]); err != nil {
			return Page{}, err
		}
	}
	return p, nil
}

// page reads by the index of the filter's one column.
func (g *Gateway) page(ctx context.Context, a account.ID, f Filter) ([]messageRecord, error) {
	rows, page := on(g.Store.Reader()), int64(f.Limit+1)
	from, before := f.span()
	switch {
	case f.To.Value != "":
		return rows.ListTo(ctx, listToParams{Recipient: f.To.String(), AccountID: a, Before: before, Since: int64(from), Page: page})
	case f.Channel != 0:
		return rows.ListChannel(ctx, listChannelParams{AccountID: a, ChannelID: f.Channel, Before: before, Since: from, Page: page})
	case f.Reference != "":
		return rows.ListReference(ctx, listReferenceParams{AccountID: a, Reference: f.Reference, Before: before, Since: from, Page: page})
	case f.Status != 0:
		return rows.ListStatus(ctx, listStatusParams{AccountID: a, Status: int16(f.Status), Before: before, Since: from, Page: page})
	case f.Direction == message.Out:
		return rows.ListOut(ctx, listOutParams{AccountID: a, Before: int64(before), Since: int64(from), Page: page})
	default:
		return rows.ListAll(ctx, listAllParams{AccountID: a, Before: before, Since: from, Page: page})
	}
}

// waiting reads a page of those that wait, out of the newest waitingWindow.
func (g *Gateway) waiting(ctx context.Context, a account.ID, f Filter) (p Page, err error) {
	reader, now := on(g.Store.Reader()), g.Store.Now()
	from, before := f.span()
	floor, err := reader.WaitingFloor(ctx, waitingFloorParams{AccountID: a, Before: int64(before), Since: int64(from), Jobs: waitingWindow - 1})
	if err != nil && !store.NoRows(err) {
		return p, err
	}
	phase := f.Status
	if phase == message.Held {
		phase = message.Queued // their jobs look alike
	}
	rows, err := reader.ListWaiting(ctx, listWaitingParams{
		AccountID: a, Before: int64(before), Since: int64(from), Jobs: waitingWindow, Now: now.UnixMilli(),
		Phase: int64(phase), Status: int64(f.Status), Page: int64(f.Limit + 1),
	})
	if err != nil {
		return p, err
	}
	p.Next = message.ID(floor)
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		p.Next = rows[f.Limit-1].Message.ID
	}
	for _, r := range rows {
		m := messageOf(r.Message)
		if m.Status = liveStatus(&m, r.Owner, now); m.Status == f.Status {
			p.Messages = append(p.Messages, m)
		}
	}
	return p, nil
}

// Step is one moment in the life of a message.
type Step struct {
	At      time.Time
	Name    string // accepted, scheduled, handed_over, reported, or an event's kind without "message."
	Seq     int    // of an event
	Attempt int
	Part    int
	Detail  string
}

// Journey tells the life of a message in the order of time.
func (g *Gateway) Journey(ctx context.Context, a account.ID, id message.ID) ([]Step, error) {
	m, err := g.Message(ctx, a, id)
	if err != nil {
		return nil, err
	}
	events, err := g.Events.Of(ctx, a, int64(id))
	if err != nil {
		return nil, err
	}
	return journey(m, events), nil
}

func journey(m message.Message, events []event.Event) []Step {
	steps := []Step{{At: m.ID.Time(), Name: "accepted", Detail: fmt.Sprintf("%d part(s), %s", m.Total, m.Encoding)}}
	if !m.Scheduled.IsZero() {
		steps = append(steps, Step{At: m.ID.Time(), Name: "scheduled", Detail: "for " + m.Scheduled.Format(time.RFC3339)})
	}
	for _, p := range m.Parts {
		steps = append(steps, Step{At: p.SentAt, Name: "handed_over", Attempt: p.Attempt, Part: p.Number, Detail: handedOver(p)})
		if !p.DoneAt.IsZero() && p.RemoteID != "" {
			// A network may tell its time to the minute: a report cannot have been before what it reports about.
			at := p.DoneAt
			if at.Before(p.SentAt) {
				at = p.SentAt
			}
			steps = append(steps, Step{At: at, Name: "reported", Attempt: p.Attempt, Part: p.Number, Detail: p.Status.String()})
		}
	}
	for _, e := range events {
		name, _ := cutPrefix(string(e.Kind))
		steps = append(steps, Step{At: e.At, Name: name, Seq: e.Seq, Attempt: e.Change.Attempt, Detail: detail(e.Change)})
	}
	slices.SortStableFunc(steps[1:], func(x, y Step) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Seq, y.Seq)) })
	return steps
}

func handedOver(p message.Part) string {
	if p.RemoteID == "" {
		return "outcome " + p.Status.String() + " " + p.Code
	}
	return "the network's id is " + p.RemoteID
}

func cutPrefix(kind string) (string, bool) {
	const prefix = "message."
	if len(kind) > len(prefix) && kind[:len(prefix)] == prefix {
		return kind[len(prefix):], true
	}
	return kind, false
}

func detail(c event.Change) string {
	text := c.Reason
	if c.Code != "" {
		text += " " + c.Code
	}
	if c.Link != nil {
		text += c.Link.URL
	}
	if c.Correction {
		text += " corrects an earlier end"
	}
	if c.Duplicate {
		text += " possible duplicate"
	}
	return text
}

// eventData is what webhooks tell of a message.
type eventData struct {
	ID        string          `json:"id"`
	Direction string          `json:"direction"`
	Kind      string          `json:"kind"`
	Channel   string          `json:"channel"`
	Status    string          `json:"status"`
	To        string          `json:"to"`
	From      string          `json:"from"`
	Chat      string          `json:"chat,omitempty"`       // the group that an inbound message was written in
	WrittenAt string          `json:"written_at,omitempty"` // of an inbound message, as the network says
	Own       bool            `json:"own,omitempty"`        // the owner of our address wrote it himself
	Text      string          `json:"text,omitempty"`       // of an inbound message, or of one's own
	Content   *ContentData    `json:"content,omitempty"`    // of such a message that is no plain text
	Contact   string          `json:"contact,omitempty"`
	Reference string          `json:"client_reference"`
	Metadata  json.RawMessage `json:"metadata"`
	Parts     int             `json:"parts"`
	Attempt   int             `json:"attempt"`
	Duplicate bool            `json:"possible_duplicate"`
	Corrects  bool            `json:"correction"`
	Reason    string          `json:"reason"`
	Code      string          `json:"network_code"`
	Price     int64           `json:"price_micros"`
	Currency  string          `json:"currency"`
	Answers   string          `json:"answers,omitempty"`
	Link      *event.Link     `json:"link,omitempty"` // that was followed
	Test      bool            `json:"test"`
}

// EventData renders an event for webhooks from rows that do not change any more, so that every try says the same.
func (g *Gateway) EventData(ctx context.Context, e event.Event) (json.RawMessage, error) {
	if data, err := e.Data(); data != nil || err != nil {
		return data, err
	}
	r, err := on(g.Store.Reader()).MessageByID(ctx, messageByIDParams{ID: message.ID(e.Subject)})
	if store.NoRows(err) {
		return nil, fault.New(fault.NotHere, "there is no message %s any more", message.ID(e.Subject))
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	m := messageOf(r)
	d := eventData{
		ID: m.ID.String(), Direction: DirectionName(m.Direction), Kind: string(m.Kind), Channel: m.Channel.String(), Status: e.Change.Status,
		To: m.To.Display(), From: m.From.Display(), Contact: m.Contact.String(), Reference: m.Reference, Metadata: m.Metadata, Parts: m.Total, Attempt: e.Change.Attempt,
		Duplicate: e.Change.Duplicate, Corrects: e.Change.Correction, Reason: e.Change.Reason, Code: e.Change.Code, Price: m.Price,
		Currency: m.Currency, Answers: m.Answers.String(), Link: e.Change.Link, Test: m.Test,
	}
	if m.Direction == message.In || m.Own() {
		d.Text, d.Own, d.Chat = m.Content.Text, m.Own(), m.Chat.Display()
		if !m.Written.IsZero() {
			d.WrittenAt = m.Written.Format("2006-01-02T15:04:05.000Z")
		}
		if d.Content, err = g.contentData(ctx, e, &m); err != nil {
			return nil, err
		}
	}
	if d.Metadata == nil {
		d.Metadata = json.RawMessage("{}")
	}
	return json.Marshal(d)
}

// DirectionName is a direction in the words of the native API.
func DirectionName(d message.Direction) string {
	if d == message.In {
		return "inbound"
	}
	return "outbound"
}

// Owner tells whose message it is, for the operator's own tools.
func (g *Gateway) Owner(ctx context.Context, id message.ID) (account.ID, error) {
	r, err := on(g.Store.Reader()).MessageByID(ctx, messageByIDParams{ID: id})
	if store.NoRows(err) {
		return 0, fault.New(fault.NotHere, "there is no message %s", id)
	}
	return r.AccountID, err
}
