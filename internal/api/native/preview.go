package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

func (s *server) previewOperations() []operation {
	return []operation{
		op[input[sendRequest], output[previewReply]]("POST /messages/preview", account.MessagesSend, "previewMessage", "Tell what a message would become and cost", s.previewMessage),
		op[input[batchRequest], output[previewsReply]]("POST /messages/preview/batch", account.MessagesSend, "previewBatch", "Tell what up to 1,000 messages would become and cost", s.previewBatch).large(),
	}
}

// previewReply is what a message would become.
type previewReply struct {
	To           string        `json:"to"`
	Country      string        `json:"country,omitempty" doc:"Of the recipient's number, where it tells." example:"KE"`
	Channel      string        `json:"channel,omitempty" format:"uuid"`
	From         string        `json:"from,omitempty"`
	Encoding     string        `json:"encoding,omitempty" example:"gsm7"`
	Units        int           `json:"units" doc:"Of the text, in the encoding's own unit."`
	Parts        []lengthReply `json:"parts" nullable:"false"`
	ChargedParts int           `json:"charged_parts"`
	PartPrice    int64         `json:"part_price_micros"`
	Price        int64         `json:"price_micros"`
	Currency     string        `json:"currency,omitempty" example:"KES"`
	Blocked      *problem      `json:"blocked,omitempty" doc:"Why it would be refused; absent when it would be accepted."`
}

// lengthReply is one part of a text.
type lengthReply struct {
	Characters int `json:"characters"`
}

// previewsReply is what messages would become, in order.
type previewsReply struct {
	Results      []previewReply `json:"results" nullable:"false"`
	Accepted     int            `json:"accepted"`
	Blocked      int            `json:"blocked"`
	ChargedParts int            `json:"charged_parts" doc:"Of those that would be accepted."`
	Price        int64          `json:"price_micros" doc:"Of those that would be accepted."`
	Currency     string         `json:"currency" example:"KES"`
}

// previewMessage tells what one message would become. It changes nothing.
func (s *server) previewMessage(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[sendRequest](r)
	if err != nil {
		return err
	}
	draft, err := in.draft()
	if err != nil {
		return err
	}
	previews, err := s.core.Gateway.Preview(r.Context(), api.CallerOf(r), []message.Draft{draft})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, s.showPreview(&previews[0]))
}

// previewBatch tells what many messages would become, each of which stands alone.
func (s *server) previewBatch(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[batchRequest](r)
	if err != nil {
		return err
	}
	if err := s.checkBatch(in); err != nil {
		return err
	}
	drafts, wrong := in.drafts()
	c := api.CallerOf(r)
	previews, err := s.core.Gateway.Preview(r.Context(), c, drafts)
	if err != nil {
		return err
	}
	reply := previewsReply{Results: make([]previewReply, len(wrong)), Currency: c.Account.Currency}
	for i, f := range wrong {
		p := gateway.Preview{Fault: f}
		if f == nil {
			p, previews = previews[0], previews[1:]
		}
		reply.Results[i] = s.showPreview(&p)
		if p.Fault != nil {
			reply.Blocked++
			continue
		}
		reply.Accepted++
		reply.ChargedParts += p.Charged
		reply.Price += p.Message.Price
	}
	return api.Reply(w, http.StatusOK, reply)
}

func (s *server) showPreview(p *gateway.Preview) previewReply {
	m := &p.Message
	shown := previewReply{
		To: m.To.Display(), Country: message.Country(m.To), Channel: m.Channel.String(), From: m.From.Display(), Encoding: m.Encoding, Units: p.Units,
		Parts: make([]lengthReply, len(p.Lengths)), ChargedParts: p.Charged, Price: m.Price, Currency: m.Currency,
	}
	for i, n := range p.Lengths {
		shown.Parts[i].Characters = n
	}
	if p.Charged > 0 {
		shown.PartPrice = m.Price / int64(p.Charged)
	}
	if p.Fault != nil {
		blocked := newProblem(s.kit, p.Fault)
		shown.Blocked = &blocked
	}
	return shown
}
