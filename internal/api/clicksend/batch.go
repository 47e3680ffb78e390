package clicksend

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// batch is what one request sends: its messages, each to one recipient.
type batch struct {
	*server
	caller  gateway.Caller
	kind    message.Kind
	shorten bool
	senders map[string]string // by the country of the recipient
	content contentOf
	items   []item
	lists   map[string]members
}

// item is one message to one recipient.
type item struct {
	in      *messageRequest
	of      int    // the message's place in the request
	refused string // the status of what a kind does not take; empty: it does
	to      string
	contact string
	fault   *fault.Fault // why it is no draft; nil: it is one
	trial   bool         // its number is one of those that take anything and lead nowhere
	draft   message.Draft
}

// members are a list as it is sent to.
type members struct {
	people []contact.Contact
	fault  *fault.Fault
}

// latest is how long ago a message may have been scheduled to be sent now.
const latest = 5 * time.Minute

// newBatch spreads lists out into recipients. More recipients than a batch may have refuse all of it.
func (s *server) newBatch(ctx context.Context, caller gateway.Caller, kind message.Kind, in *sendRequest, content contentOf) (*batch, error) {
	b := &batch{server: s, caller: caller, kind: kind, shorten: yes(string(in.Shorten)), senders: map[string]string{}, content: content, lists: map[string]members{}}
	for _, sender := range in.Senders {
		b.senders[strings.ToUpper(strings.TrimSpace(string(sender.Country)))] = string(sender.SenderID)
	}
	if len(in.Messages) == 0 {
		return nil, fault.New(fault.MissingField, "there are no messages").In("messages")
	}
	b.items = make([]item, 0, len(in.Messages))
	for i := range in.Messages {
		b.spread(ctx, i, &in.Messages[i])
		if most := s.kit.MaxBatch(); len(b.items) > most {
			return nil, fault.New(fault.TooManyItems, "there are more than %d recipients", most)
		}
	}
	for i := range b.items {
		b.draft(&b.items[i])
	}
	return b, nil
}

// spread adds the recipients of a message.
func (b *batch) spread(ctx context.Context, i int, in *messageRequest) {
	if in.ListID == "" {
		b.items = append(b.items, item{of: i, in: in, to: string(in.To), contact: string(in.ContactID)})
		return
	}
	list := b.list(ctx, string(in.ListID))
	if list.fault != nil {
		b.items = append(b.items, item{of: i, in: in, to: string(in.To), fault: list.fault})
		return
	}
	for _, who := range list.people {
		b.items = append(b.items, item{of: i, in: in, to: who.Address(message.Phone).Value, contact: strconv.Itoa(int(who.Number))})
	}
}

// list reads a list, once. Of one that cannot be read, the messages to it alone are refused.
func (b *batch) list(ctx context.Context, number string) members {
	list, ok := b.lists[number]
	if ok {
		return list
	}
	people, err := b.members(ctx, number)
	list = members{people: people, fault: fault.Of(err)}
	if err != nil && list.fault == nil {
		slog.ErrorContext(ctx, "cannot read a contact list to send to", "list", number, "err", err)
		list.fault = fault.New(fault.InternalError, "the list cannot be read")
	}
	b.lists[number] = list
	return list
}

// members are the people of a list, and one more than a batch may have where there are as many.
func (b *batch) members(ctx context.Context, number string) ([]contact.Contact, error) {
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return nil, unknownList()
	}
	list, err := b.core.Contacts.ListNumbered(ctx, b.caller.Account.ID, int(n))
	if fault.Is(err, fault.NotHere) {
		return nil, unknownList()
	}
	if err != nil {
		return nil, err
	}
	people, _, err := b.core.Contacts.Members(ctx, list, contact.Pick{Page: b.kit.MaxBatch() + 1})
	return people, err
}

// draft makes an item's draft, or its fault.
func (b *batch) draft(it *item) {
	if it.fault != nil {
		return
	}
	in := it.in
	content, refused := b.content(it.of)
	if it.refused = refused; refused != "" {
		return
	}
	if it.trial = isTrial(it.to); it.trial {
		if b.kind != message.MMS && strings.TrimSpace(string(in.Body)) == "" {
			it.trial, it.fault = false, fault.New(fault.EmptyText, "the text is empty").In("body")
		}
		return
	}
	it.draft = message.Draft{
		Kind: b.kind, To: it.to, Region: strings.ToUpper(string(in.Country)), From: string(in.From), Content: content, Shorten: b.shorten,
	}
	if it.draft.From == "" && len(b.senders) > 0 {
		it.draft.From = b.senderFor(it.draft.To, it.draft.Region)
	}
	if it.draft.ScheduledAt, it.fault = b.schedule(string(in.Schedule)); it.fault != nil {
		return
	}
	it.draft.Metadata, it.fault = it.known().metadata()
}

// known is what is kept with the message.
func (it *item) known() known {
	return known{string(it.in.CustomString), string(it.in.ListID), it.contact, string(it.in.FromEmail), string(it.in.Source)}
}

// metadata is what is kept, as a draft has it.
func (k known) metadata() (json.RawMessage, *fault.Fault) {
	if k == (known{}) {
		return nil, nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fault.New(fault.InvalidField, "custom_string cannot be kept").In("custom_string")
	}
	return text, nil
}

// senderFor is the sender that a request names for the recipient's country; empty where it names none.
func (b *batch) senderFor(to, region string) string {
	if region == "" {
		region = b.caller.Account.Region
	}
	a, err := message.ParsePhone(to, region)
	if err != nil {
		return ""
	}
	return b.senders[message.Country(a)]
}

// schedule reads when a message is to be sent; zero is now.
func (b *batch) schedule(text string) (time.Time, *fault.Fault) {
	if text == "" || text == "0" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fault.New(fault.InvalidSchedule, "a schedule is a Unix time in seconds").In("schedule")
	}
	at, now := time.Unix(seconds, 0), b.core.Store.Now()
	if !at.After(now) && at.After(now.Add(-latest)) {
		return time.Time{}, nil
	}
	return at, nil
}

// yes reads a flag.
func yes(text string) bool { return text == "1" || strings.EqualFold(text, "true") }

// isTrial reports whether a number is one of those that the original keeps for trying: +614 and one digit, eight times.
func isTrial(to string) bool {
	digits, ok := strings.CutPrefix(strings.TrimPrefix(to, "+"), "614")
	return ok && len(digits) == 8 && digits[0] != '0' && digits == strings.Repeat(digits[:1], 8)
}
