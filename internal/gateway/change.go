package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/report"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

// errStale says that a message was changed by someone else since it was read. The transaction is tried again.
var errStale = errors.New("the message changed meanwhile")

// state is a message within a transaction: what can change of it, as it was read and as it will be written.
type state struct {
	row struct {
		ID        message.ID
		Account   account.ID
		Channel   message.ChannelID
		Kind      message.Kind
		Status    message.Status
		Seq       int64
		Attempt   int64
		Total     int64
		Price     int64
		Duplicate bool
		Reason    string
	}
	oldSeq  int64
	from    message.Status // as it was read
	parts   []partRecord   // all that are known
	fresh   []int          // of parts: what must be written
	marked  []int          // of parts: of what is written, the status
	events  []event.Event
	chat    uint64 // what its events are told in order with; 0: with each other
	touched bool
	post    bool // the network took it: the price is due
	void    bool // it ended without: the hold is given back, unless the price was due before
}

func stateOf(r messageRecord) *state {
	s := &state{oldSeq: r.Seq, from: message.Status(r.Status)}
	s.row.ID, s.row.Account, s.row.Status, s.row.Seq = r.ID, r.AccountID, message.Status(r.Status), r.Seq
	s.row.Attempt, s.row.Total, s.row.Price = r.Attempt, r.Total, r.Price
	s.row.Duplicate, s.row.Reason = r.Duplicate != 0, r.Reason
	s.row.Channel, s.row.Kind = r.ChannelID, message.Kind(r.Kind)
	if message.Direction(r.Direction) == message.In && s.row.Kind == message.WhatsApp {
		s.chat = chatOf(r.ChannelID, cmp.Or(r.Chat, r.Sender))
	}
	return s
}

// setPart takes news of a part: its status only rises, and the network's first id for it stays.
func (s *state) setPart(p partRecord) {
	p.MessageID, p.AccountID = s.row.ID, s.row.Account
	s.touched = true
	i := slices.IndexFunc(s.parts, func(q partRecord) bool { return q.Attempt == p.Attempt && q.Number == p.Number })
	if i < 0 {
		s.parts = append(s.parts, p)
		s.fresh = append(s.fresh, len(s.parts)-1)
		return
	}
	have := &s.parts[i]
	risen := message.Status(have.Status).Rise(message.Status(p.Status))
	if int16(risen) == have.Status && have.RemoteID != "" {
		return
	}
	list := &s.fresh
	if have.RemoteID != "" {
		p.RemoteID, p.SentAt, list = have.RemoteID, have.SentAt, &s.marked
	}
	p.Status = int16(risen)
	s.parts[i] = p
	if !slices.Contains(s.fresh, i) && !slices.Contains(s.marked, i) {
		*list = append(*list, i)
	}
}

// kinds of event by the status that a message reached.
var kinds = map[message.Status]event.Kind{
	message.Sent: event.Sent, message.Delivered: event.Delivered, message.Read: event.Read, message.Failed: event.Failed,
	message.Unknown: event.Unknown, message.Cancelled: event.Cancelled, message.Expired: event.Expired, message.Blocked: event.Blocked,
}

// fold is the status that the parts say.
func (s *state) fold() message.Status {
	parts := make([]message.Part, len(s.parts))
	for i, p := range s.parts {
		parts[i] = message.Part{Attempt: int(p.Attempt), Number: int(p.Number), Status: message.Status(p.Status)}
	}
	return message.Fold(parts, int(s.row.Total))
}

// refold brings the message's status up to its parts. A repeated or late report changes nothing.
func (s *state) refold(now time.Time, c event.Change) {
	folded := s.fold()
	if folded == message.Sending || folded == s.row.Status {
		return
	}
	if ended := s.row.Status > message.Read; ended && folded < message.Delivered {
		return // it ended with us; only proof of delivery speaks against that
	}
	c.Correction = s.row.Status == message.Unknown || s.row.Status == message.Failed || s.row.Status > message.Read
	s.become(folded, now, c)
}

// end ends a message that waits, with the status unless its parts say more: of one that went out in part, the rest never
// will.
func (s *state) end(status message.Status, now time.Time, c event.Change) {
	switch folded := s.fold(); {
	case !s.out(): // what a channel refused before the next was to carry it went nowhere
	case folded != message.Sending:
		status = folded
	default:
		status = message.Failed
	}
	s.void = true // of no effect once the price was due
	s.become(status, now, c)
}

// become gives the message a status, with its reason and its event.
func (s *state) become(status message.Status, now time.Time, c event.Change) {
	s.row.Status = status
	switch {
	case status == message.Failed, status == message.Unknown, status > message.Read:
		s.row.Reason = c.Reason
	default:
		c.Reason, c.Code, s.row.Reason = "", "", ""
	}
	s.happen(kinds[status], now, c)
}

// happen notes an event of the message.
func (s *state) happen(kind event.Kind, now time.Time, c event.Change) {
	s.row.Seq++
	s.touched = true
	c.Status, c.Duplicate = s.row.Status.String(), s.row.Duplicate
	s.events = append(s.events, event.Event{
		Subject: int64(s.row.ID), Seq: int(s.row.Seq), Account: s.row.Account, Kind: kind, Change: c, At: now, Channel: s.row.Channel, Chat: s.chat,
	})
}

// write is the one door for changes of messages: parts, status, events with all that follows them, and money, in one
// transaction.
func (g *Gateway) write(tx *store.Tx, states []*state) error {
	states = slices.DeleteFunc(slices.Clone(states), func(s *state) bool { return !s.touched })
	slices.SortFunc(states, byID)
	var parts []setPartParams
	var marks []markPartParams
	var rows []changeMessageParams
	var events []event.Event
	var post, void []wallet.Move
	for _, s := range states {
		for _, i := range s.fresh {
			parts = append(parts, setPartParams(s.parts[i]))
		}
		for _, i := range s.marked {
			p := &s.parts[i]
			marks = append(marks, markPartParams{Status: p.Status, Code: p.Code, DoneAt: p.DoneAt, MessageID: p.MessageID, Attempt: p.Attempt, Number: p.Number})
		}
		rows = append(rows, changeMessageParams{
			Status: int16(s.row.Status), Seq: s.row.Seq, Attempt: s.row.Attempt, Duplicate: flag(s.row.Duplicate),
			Reason: s.row.Reason, UpdatedAt: tx.NowMilli(), ID: s.row.ID, OldSeq: s.oldSeq,
		})
		events = append(events, s.events...)
		move := wallet.Move{Account: s.row.Account, Subject: int64(s.row.ID), Amount: s.row.Price}
		if s.post {
			post = append(post, move)
		}
		if s.void {
			void = append(void, move)
		}
	}
	if err := store.Run(tx, setPart, parts); err != nil {
		return fmt.Errorf("write parts: %w", err)
	}
	if err := store.Run(tx, markPart, marks); err != nil {
		return fmt.Errorf("mark parts: %w", err)
	}
	n, err := store.Each(tx, changeMessage, rows)
	if err != nil {
		return fmt.Errorf("change messages: %w", err)
	}
	if slices.Contains(n, 0) {
		return errStale
	}
	if err := g.Events.Append(tx, events); err != nil {
		return err
	}
	charged, err := g.Wallet.Post(tx, post)
	if err != nil {
		return err
	}
	if err := g.Wallet.Void(tx, void); err != nil {
		return err
	}
	return report.Add(tx, usageOf(states, charged))
}

// load reads messages with all their parts. A message that is not there is left out.
func (g *Gateway) load(tx *store.Tx, ids []message.ID) (map[message.ID]*state, error) {
	rows, err := store.Find[messageRecord](tx, messageByID, ids)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	states := make(map[message.ID]*state, len(rows))
	for _, r := range rows {
		states[r.Row.ID] = stateOf(r.Row)
	}
	return states, g.loadParts(tx, states)
}

func (g *Gateway) loadParts(tx *store.Tx, states map[message.ID]*state) error {
	ids := make([]message.ID, 0, len(states))
	for id := range states {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	parts, err := store.Find[partRecord](tx, partsOf, ids)
	if err != nil {
		return fmt.Errorf("read parts: %w", err)
	}
	for _, p := range parts {
		s := states[p.Row.MessageID]
		s.parts = append(s.parts, p.Row)
	}
	return nil
}
