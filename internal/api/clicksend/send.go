package clicksend

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// repeatWindow is for how long the same text to the same recipient is refused.
const repeatWindow = 5 * time.Second

// What the replies say.
const (
	saidQueued = "Messages queued for delivery."
	saidPrice  = "Here is some pricing."
)

// sendOperations send messages, and tell what they would cost.
func (s *server) sendOperations() []api.Operation {
	example := map[string]any{"messages": []map[string]any{{"source": "sdk", "body": "Hello", "to": "+61411111111", "schedule": 1436874701, "custom_string": "this is a test"}}}
	return []api.Operation{
		{
			Pattern: "POST /v3/sms/send", ID: "sendSMS", Summary: "Send messages to numbers and lists", Sends: true, Batch: true, Body: sendRequest{}, Example: example,
			Handler: s.guarded(account.MessagesSend, send[sendRequest](s, message.SMS)),
			Replies: []api.Example{done(saidQueued, sendExample), missing("there are no messages"), tooMany},
		},
		{
			Pattern: "POST /v3/sms/price", ID: "priceSMS", Summary: "What messages would cost", Batch: true, Body: sendRequest{}, Example: example,
			Handler: s.guarded(account.MessagesSend, price[sendRequest](s, message.SMS)),
			Replies: []api.Example{done(saidPrice, priceExample), missing("there are no messages"), tooMany},
		},
	}
}

// send takes messages. Each stands alone: what is wrong with one is told in its place.
func send[T any, P sending[T]](s *server, kind message.Kind) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, content, err := decode[T, P](r)
		if err != nil {
			return err
		}
		b, err := s.newBatch(r.Context(), api.CallerOf(r), kind, in, content)
		if err != nil {
			return err
		}
		results, err := b.submit(w, r)
		if err != nil {
			return err
		}
		reply, err := b.reply(r.Context(), results, true)
		if err != nil {
			return err
		}
		return answer(w, saidQueued, reply)
	}
}

// price tells what messages would cost, and stores nothing.
func price[T any, P sending[T]](s *server, kind message.Kind) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, content, err := decode[T, P](r)
		if err != nil {
			return err
		}
		b, err := s.newBatch(r.Context(), api.CallerOf(r), kind, in, content)
		if err != nil {
			return err
		}
		previews, err := s.core.Gateway.Preview(r.Context(), b.caller, b.drafts())
		if err != nil {
			return err
		}
		results := make([]gateway.Result, len(previews))
		for i, p := range previews {
			results[i] = gateway.Result{Message: p.Message, Fault: p.Fault}
		}
		reply, err := b.reply(r.Context(), results, false)
		if err != nil {
			return err
		}
		return answer(w, saidPrice, reply)
	}
}

// drafts are those of the items that are one.
func (b *batch) drafts() []message.Draft {
	drafts := make([]message.Draft, 0, len(b.items))
	for i := range b.items {
		if b.items[i].drafted() {
			drafts = append(drafts, b.items[i].draft)
		}
	}
	return drafts
}

// drafted reports whether the item is for the gateway to look at.
func (it *item) drafted() bool { return it.fault == nil && it.refused == "" && !it.trial }

// submit hands the drafts over in one piece. A repeat by the same Idempotency-Key is answered for the recipients of then, whoever is in
// its lists now.
func (b *batch) submit(w http.ResponseWriter, r *http.Request) ([]gateway.Result, error) {
	drafts := b.drafts()
	if len(drafts) == 0 {
		return nil, nil
	}
	request, err := api.Submission(r, drafts...)
	if err != nil {
		return nil, err
	}
	request.RepeatWindow = repeatWindow
	if b.kind != message.SMS { // all of it needs a channel that carries the kind
		request.Whole = []fault.Code{fault.NoChannel}
	}
	reply, err := b.core.Gateway.Submit(r.Context(), b.caller, request)
	if err != nil {
		return nil, err
	}
	if reply.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
		if len(reply.Results) != len(drafts) {
			b.recall(reply.Results)
		}
	}
	return reply.Results, nil
}

// recall takes the items of an earlier request for those of this one.
func (b *batch) recall(results []gateway.Result) {
	b.items = slices.DeleteFunc(b.items, func(it item) bool { return it.drafted() })
	for i := range results {
		m := &results[i].Message
		k := knownOf(m.Metadata)
		b.items = append(b.items, item{to: m.To.Value, contact: k.ContactID, in: &messageRequest{
			Body: api.Text(m.Content.Text), CustomString: api.Text(k.CustomString), ListID: api.Text(k.ListID), FromEmail: api.Text(k.FromEmail),
		}})
	}
}

// asker is who sends, in the numbers of the surface.
type asker struct{ user, subaccount int }

// asker is the user whose account it is, and the account itself: a main account is its own first subaccount.
func (s *server) asker(ctx context.Context, a *account.Account) (asker, error) {
	if a.Parent == 0 {
		return asker{a.Number, a.Number}, nil
	}
	parent, _, err := s.core.Members.Get(ctx, a.Parent)
	return asker{parent.Number, a.Number}, err
}

// reply tells what became of each item. Results are those of the drafts, in order.
func (b *batch) reply(ctx context.Context, results []gateway.Result, sent bool) (sendReply, error) {
	who, err := b.asker(ctx, &b.caller.Account)
	if err != nil {
		return sendReply{}, err
	}
	out := sendReply{Messages: make(outMessages, 0, len(b.items)), Currency: currencyOf(b.caller.Account.Currency)}
	shared := map[message.ChannelID]bool{}
	var total int64
	for i := range b.items {
		it := &b.items[i]
		result := gateway.Result{Fault: it.fault}
		if it.drafted() {
			result, results = results[0], results[1:]
		}
		if f := result.Fault; f != nil && f.Code == fault.NoChannel && b.kind != message.SMS {
			return out, f // nobody carries them
		}
		if result.Fault != nil || it.refused != "" {
			b.addRefused(&out, it, result.Fault)
			continue
		}
		shown, err := b.accepted(ctx, it, &result.Message, shared)
		if err != nil {
			return out, err
		}
		if sent {
			now := b.core.Store.Now()
			if !it.trial {
				now = result.Message.ID.Time()
			}
			shown.Date, shown.Schedule, shown.UserID, shown.SubaccountID = now.Unix(), now.Unix(), who.user, who.subaccount
			if at := result.Message.Scheduled; !at.IsZero() {
				shown.Schedule = at.Unix()
			}
		}
		total += result.Message.Price
		out.Queued++
		out.Messages = append(out.Messages, shown)
	}
	out.Count = len(out.Messages)
	out.Price = float64(total) / micro
	return out, nil
}

// micro is how many micro-units a unit of money has.
const micro = 1_000_000

// priceText is a price with four decimals.
func priceText(micros int64) string { return strconv.FormatFloat(float64(micros)/micro, 'f', 4, 64) }

// freshID is an id as the surface shows it, of something that is not stored.
func (b *batch) freshID() string { return idText(message.ID(b.core.Store.NewID())) }

// idText is the id of a message in capitals.
func idText(id message.ID) string { return strings.ToUpper(id.String()) }

// accepted shows a message that was taken, or one to a number that leads nowhere.
func (b *batch) accepted(ctx context.Context, it *item, m *message.Message, shared map[message.ChannelID]bool) (accepted, error) {
	k := it.known()
	a := accepted{
		Direction: "out", To: m.To.Value, Body: m.Content.Text, From: m.From.Value, Parts: m.Total, Price: priceText(m.Price), FromEmail: orNull(k.FromEmail),
		ListID: orNull(k.ListID), CustomString: k.CustomString, ContactID: orNull(k.ContactID), Country: message.Country(m.To), Status: "SUCCESS",
	}
	if it.trial {
		to := "+" + strings.TrimPrefix(it.to, "+")
		a.To, a.Body, a.From, a.MessageID, a.Country = to, string(it.in.Body), string(it.in.From), b.freshID(), "AU"
		return a, nil
	}
	if a.MessageID = idText(m.ID); m.ID == 0 { // it was only priced
		a.MessageID = b.freshID()
	}
	of, seen := shared[m.Channel]
	if !seen {
		ch, _, err := b.core.Channels.Get(ctx, m.Channel)
		if err != nil {
			return a, err
		}
		of = ch.Account == 0
		shared[m.Channel] = of
	}
	a.Shared = of && it.draft.From == ""
	return a, nil
}

// addRefused tells of an item that is not sent, unless its recipient is to be left out.
func (b *batch) addRefused(out *sendReply, it *item, f *fault.Fault) {
	if f != nil && yes(string(it.in.Exclude)) && (f.Code == fault.InvalidSender || f.Code == fault.SenderNotRegistered) {
		return
	}
	r := refused{
		To: it.to, Body: string(it.in.Body), From: string(it.in.From), MessageID: b.freshID(), CustomString: string(it.in.CustomString), Status: it.refused,
	}
	if f != nil {
		r.Status = itemStatus(f)
	}
	if r.Status == countryNotEnabled {
		out.Blocked++
		r.blocked = &blocked{Price: priceText(0), Country: b.countryOf(it)}
	}
	out.Messages = append(out.Messages, r)
}

func (b *batch) countryOf(it *item) string {
	region := it.draft.Region
	if region == "" {
		region = b.caller.Account.Region
	}
	a, err := message.ParsePhone(it.to, region)
	if err != nil {
		return ""
	}
	return message.Country(a)
}

// itemStatus is the document's code for a message that is not sent.
func itemStatus(f *fault.Fault) string {
	if f.Kind() == fault.Internal {
		return "INTERNAL_ERROR"
	}
	if f.Code == fault.URLNotAllowed { // of a file
		return "INVALID_MEDIA_FILE"
	}
	if code := applicationCode(f); code != "" {
		return code
	}
	return "SOMETHING_IS_WRONG"
}

// Examples of replies.
var (
	acceptedExample = accepted{
		Direction: "out", Date: 1436871253, To: "+61411111111", Body: "Hello", From: "+61422222222", Schedule: 1436874701, MessageID: "BF7AD270-0DE2-418B-B606-71D527D9C1AE",
		Parts: 1, Price: "0.0770", CustomString: "this is a test", UserID: 1, SubaccountID: 1, Country: "AU", Status: "SUCCESS",
	}
	sendExample  = sendReply{Price: 0.077, Count: 1, Queued: 1, Messages: outMessages{acceptedExample}, Currency: currencyOf("AUD")}
	priceExample = sendReply{Price: 0.077, Count: 1, Queued: 1, Messages: outMessages{priced(acceptedExample)}, Currency: currencyOf("AUD")}
	tooMany      = api.Example{Status: http.StatusBadRequest, When: "too many recipients", Body: failed(fault.New(fault.TooManyItems, "there are more than 1000 recipients"), http.StatusBadRequest)}
)

func priced(a accepted) accepted {
	a.Date, a.Schedule, a.UserID, a.SubaccountID = 0, 0, 0, 0
	return a
}

// missing is an example of a reply to a request that lacks something.
func missing(text string) api.Example {
	return api.Example{Status: http.StatusBadRequest, When: "a field is missing", Body: failed(fault.New(fault.MissingField, "%s", text), http.StatusBadRequest)}
}
