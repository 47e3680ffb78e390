package native

import (
	"fmt"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) optOutOperations() []operation {
	return []operation{
		op[input[optOutRequest], output[optOutsReply]]("POST /opt-outs", account.MessagesSend, "createOptOuts", "Write down who does not want messages, up to 1,000", s.createOptOuts).answers(201).large().once(),
		op[addressPageInput, output[page[OptOutReply]]]("GET /opt-outs", account.AccountRead, "listOptOuts", "List who does not want messages", s.listOptOuts),
		op[addressPageInput, output[page[choiceReply]]]("GET /opt-outs/log", account.AccountRead, "listConsent", "List every choice as evidence", s.listConsent),
		op[removalInput, nothing]("DELETE /opt-outs/{id}", account.Admin, "deleteOptOut", "Write down that someone wants messages again", s.deleteOptOut).answers(204),
	}
}

// maxOptOuts is how many addresses one request may bring.
const maxOptOuts = 1000

// addressPageInput documents a list that may be of one address.
type addressPageInput struct {
	PageInput
	Address string `query:"address" doc:"Only of this address."`
}

// removalInput documents why an opt-out is taken back.
type removalInput struct {
	IDInput
	Reason string `query:"reason" required:"true" maxLength:"200" doc:"Why; it stays in the log."`
}

// optOutRequest is addresses that do not want messages.
type optOutRequest struct {
	Addresses []string `json:"addresses" minItems:"1" maxItems:"1000" nullable:"false" example:"[\"+254701234567\"]"`
	Source    string   `json:"source,omitempty" enum:"api,import" doc:"How you know; api without it."`
	Note      string   `json:"note,omitempty" maxLength:"200" doc:"It stays in the log."`
}

// optOutsReply tells what became of each address, in order.
type optOutsReply struct {
	Results []optOutResult `json:"results" nullable:"false"`
	Added   int            `json:"added"`
}

// optOutResult is what became of one address.
type optOutResult struct {
	Address string   `json:"address"`
	Added   bool     `json:"added" doc:"false when it was known, or the address makes no sense."`
	Error   *problem `json:"error,omitempty"`
}

// OptOutReply is an address that does not want messages.
type OptOutReply struct {
	ID      string `json:"id" format:"uuid"`
	Address string `json:"address"`
	At      string `json:"at" format:"date-time"`
}

// choiceReply is one choice, as it was recorded.
type choiceReply struct {
	ID      string `json:"id" format:"uuid"`
	Address string `json:"address"`
	OptedIn bool   `json:"opted_in"`
	Source  string `json:"source" doc:"message, api or import." example:"message"`
	Word    string `json:"word,omitempty" doc:"What they wrote." example:"STOP"`
	Actor   string `json:"actor,omitempty" doc:"Who recorded it, if not they themselves."`
	Note    string `json:"note,omitempty"`
	At      string `json:"at" format:"date-time"`
}

// createOptOuts writes down who does not want messages. Each address stands alone.
func (s *server) createOptOuts(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[optOutRequest](r)
	if err != nil {
		return err
	}
	switch {
	case len(in.Addresses) == 0:
		return fault.New(fault.MissingField, "an opt-out has an address").In("addresses")
	case len(in.Addresses) > maxOptOuts:
		return fault.New(fault.TooManyItems, "%d addresses; at most %d in one request", len(in.Addresses), maxOptOuts).In("addresses")
	case in.Source != "" && in.Source != "api" && in.Source != "import":
		return fault.New(fault.InvalidField, "source is api or import").In("source")
	case len([]rune(in.Note)) > maxNote:
		return fault.New(fault.InvalidField, "a note has at most %d characters", maxNote).In("note")
	case in.Source == "":
		in.Source = "api"
	}
	c := api.CallerOf(r)
	reply := optOutsReply{Results: make([]optOutResult, len(in.Addresses))}
	var choices []consent.Choice
	var of []int
	for i, text := range in.Addresses {
		reply.Results[i].Address = text
		address, err := message.ParsePhone(text, c.Account.Region)
		if err != nil {
			p := newProblem(s.kit, fault.Of(err).In(fmt.Sprintf("addresses[%d]", i)))
			reply.Results[i].Error = &p
			continue
		}
		reply.Results[i].Address = address.Display()
		choices = append(choices, consent.Choice{Account: c.Account.ID, Address: address, Out: true, Source: in.Source, Actor: c.By.Name, Note: in.Note})
		of = append(of, i)
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		changed, err := s.core.Gateway.Choose(tx, choices)
		reply.Added = 0
		for n, i := range of {
			if reply.Results[i].Added = err == nil && changed[n]; reply.Results[i].Added {
				reply.Added++
			}
		}
		return reply, err
	})
}

func showOptOut(o *consent.OptOut) (OptOutReply, int64) {
	return OptOutReply{id.Of[consent.OptOut](o.ID).String(), o.Address.Display(), showTime(o.At)}, o.ID
}

// listOptOuts lists who does not want messages, newest first.
func (s *server) listOptOuts(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	q := queryOf(r)
	of := q.address("address", a.Region)
	if q.err != nil {
		return q.err
	}
	return simple(s, w, r, "opt-outs "+of.String(), func(after int64, limit int) ([]consent.OptOut, error) {
		if of.Value == "" {
			return s.core.Consent.List(r.Context(), a.ID, after, limit)
		}
		one, ok, err := s.core.Consent.Of(r.Context(), a.ID, of)
		if !ok || after != 0 {
			return nil, err
		}
		return []consent.OptOut{one}, nil
	}, showOptOut)
}

// listConsent lists every choice that was recorded, newest first. Nothing of it is ever changed.
func (s *server) listConsent(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	q := queryOf(r)
	of := q.address("address", a.Region)
	if q.err != nil {
		return q.err
	}
	return simple(s, w, r, "consent "+of.String(), func(after int64, limit int) ([]consent.Entry, error) {
		return s.core.Consent.Log(r.Context(), a.ID, of, id.Of[consent.Entry](after), limit)
	}, func(e *consent.Entry) (choiceReply, int64) {
		return choiceReply{e.ID.String(), e.Address.Display(), !e.Out, e.Source, e.Word, e.Actor, e.Note, showTime(e.ID.Time())}, int64(e.ID)
	})
}

// deleteOptOut writes down that someone wants messages again, and why.
func (s *server) deleteOptOut(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[consent.OptOut](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	o, ok, err := s.core.Consent.Get(r.Context(), c.Account.ID, int64(at))
	if err != nil {
		return err
	}
	reason := r.URL.Query().Get("reason")
	switch {
	case !ok:
		return fault.New(fault.NotHere, "there is no opt-out %s", at)
	case reason == "":
		return fault.New(fault.MissingField, "an opt-out is taken back for a reason").In("reason")
	case len([]rune(reason)) > maxNote:
		return fault.New(fault.InvalidField, "a reason has at most %d characters", maxNote).In("reason")
	}
	err = s.core.Store.Write(func(tx *store.Tx) error {
		_, err := s.core.Gateway.Choose(tx, []consent.Choice{{Account: c.Account.ID, Address: o.Address, Source: "api", Actor: c.By.Name, Note: reason}})
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
