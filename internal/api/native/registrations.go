package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
)

func (s *server) registrationOperations() []operation {
	return []operation{
		op[input[registrationRequest], output[RegistrationReply]]("POST /registrations", account.Admin, "createRegistration", "Ask for a sender in a country, also once more for one that was refused", s.createRegistration).answers(201).once(),
		op[registrationsInput, output[page[RegistrationReply]]]("GET /registrations", account.AccountRead, "listRegistrations", "List registrations of senders; for the operator, of all accounts", s.listRegistrations),
		op[IDInput, output[RegistrationReply]]("GET /registrations/{id}", account.AccountRead, "readRegistration", "Read a registration", s.readRegistration),
		op[IDInput, nothing]("DELETE /registrations/{id}", account.Admin, "deleteRegistration", "Withdraw a registration: its sender is not approved any more", s.deleteRegistration).answers(204),
		op[IDInput, output[RegistrationReply]]("POST /registrations/{id}/approve", account.Operate, "approveRegistration", "Approve a sender", s.approveRegistration).once(),
		op[refusalInput, output[RegistrationReply]]("POST /registrations/{id}/refuse", account.Operate, "refuseRegistration", "Refuse a sender, also one that was approved", s.refuseRegistration).once(),
	}
}

// registrationRequest is a sender to ask for.
type registrationRequest struct {
	Country string `json:"country" doc:"ISO 3166." example:"IN"`
	Sender  string `json:"sender" doc:"A number, a short code or a name, as messages carry it." example:"ACME"`
}

// registrationsInput documents a list that may be of one state.
type registrationsInput struct {
	PageInput
	State string `query:"state" enum:"requested,approved,refused" doc:"Only those in this state."`
}

// refusalRequest is why a sender is refused.
type refusalRequest struct {
	Reason string `json:"reason" maxLength:"200" doc:"The account sees it."`
}

type refusalInput struct {
	IDInput
	Body refusalRequest
}

// RegistrationReply is a sender that an account asked for.
type RegistrationReply struct {
	ID        string `json:"id" format:"uuid"`
	Account   string `json:"account_id" format:"uuid"`
	Country   string `json:"country" example:"IN"`
	Sender    string `json:"sender" example:"ACME"`
	State     string `json:"state" enum:"requested,approved,refused"`
	Reason    string `json:"reason,omitempty" doc:"Why it was refused."`
	DecidedAt string `json:"decided_at,omitempty" format:"date-time"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

func showRegistration(r *policy.Registration) RegistrationReply {
	shown := RegistrationReply{
		ID: r.ID.String(), Account: r.Account.String(), Country: r.Country, Sender: r.Sender.Display(), State: r.State.String(), Reason: r.Reason,
		CreatedAt: showTime(r.ID.Time()),
	}
	if !r.Decided.IsZero() {
		shown.DecidedAt = showTime(r.Decided)
	}
	return shown
}

// createRegistration asks for a sender. Whether the account may send as it on a channel is another question.
func (s *server) createRegistration(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[registrationRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	sender, err := message.ParseSender(in.Sender, c.Account.Region)
	switch {
	case err != nil:
		return fault.Of(err).In("sender")
	case in.Country == "":
		return fault.New(fault.MissingField, "a registration has a country").In("country")
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Policies.Request(tx, c.By, c.Account.ID, in.Country, sender)
		return showRegistration(&made), err
	})
}

// listRegistrations lists what was asked for, newest first.
func (s *server) listRegistrations(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	text := q.Get("state")
	state, ok := policy.States[text]
	if text != "" && !ok {
		q.wrong("state", "a state is requested, approved or refused")
	}
	if q.err != nil {
		return q.err
	}
	ask := policy.Ask{State: state}
	if !operates(r) {
		ask.Account = api.CallerOf(r).Account.ID
	}
	return simple(s, w, r, "registrations "+text, func(after int64, limit int) ([]policy.Registration, error) {
		ask.Before, ask.Page = policy.RegistrationID(after), limit
		return s.core.Policies.Registrations(r.Context(), ask)
	}, func(one *policy.Registration) (RegistrationReply, int64) { return showRegistration(one), int64(one.ID) })
}

// registration is the one of the path, if the caller may see it.
func (s *server) registration(r *http.Request) (one policy.Registration, err error) {
	at, err := pathID[policy.Registration](r, "id")
	if err != nil {
		return one, err
	}
	one, ok, err := s.core.Policies.Registration(r.Context(), at)
	if err == nil && (!ok || !has(r, one.Account)) {
		err = fault.New(fault.NotHere, "there is no registration %s", at)
	}
	return one, err
}

func (s *server) readRegistration(w http.ResponseWriter, r *http.Request) error {
	one, err := s.registration(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showRegistration(&one))
}

func (s *server) deleteRegistration(w http.ResponseWriter, r *http.Request) error {
	one, err := s.registration(r)
	if err != nil {
		return err
	}
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Policies.Withdraw(tx, api.CallerOf(r).By, one) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) approveRegistration(w http.ResponseWriter, r *http.Request) error {
	return s.decide(w, r, policy.Approved, "")
}

// refuseRegistration refuses a sender for a reason, which its account sees.
func (s *server) refuseRegistration(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[refusalRequest](r)
	if err != nil {
		return err
	}
	return s.decide(w, r, policy.Refused, in.Reason)
}

// decide writes what the operator decided about the registration of the path.
func (s *server) decide(w http.ResponseWriter, r *http.Request, state policy.State, reason string) error {
	at, err := pathID[policy.Registration](r, "id")
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		now, err := s.core.Policies.Decide(tx, api.CallerOf(r).By, at, state, reason)
		return showRegistration(&now), err
	})
}
