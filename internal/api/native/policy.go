package native

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
)

func (s *server) policyOperations() []operation {
	return []operation{
		op[noInput, output[policyReply]]("GET /account/policy", account.AccountRead, "readPolicy", "Read the rules of what the account sends", s.readPolicy),
		op[input[policyRequest], output[policyReply]]("PATCH /account/policy", account.Admin, "changePolicy", "Change the rules of what the account sends", s.changePolicy),
		op[noInput, nothing]("DELETE /account/policy", account.Admin, "deletePolicy", "Drop the account's own rules: its parent's hold again, or none", s.deletePolicy).answers(204),
		op[noInput, output[countriesReply]]("GET /registered-countries", account.AccountRead, "readCountries", "Read which countries need a registered sender whoever sends", s.readCountries),
		op[input[countriesRequest], output[countriesReply]]("PUT /registered-countries", account.Operate, "putCountries", "Choose which countries need a registered sender whoever sends", s.putCountries),
	}
}

// policyRequest is what an update changes; what is absent stays.
type policyRequest struct {
	Countries  *[]string `json:"countries,omitempty" nullable:"false" maxItems:"300" doc:"Those that the account sends to (ISO 3166); empty for all." example:"[\"KE\",\"UG\"]"`
	Registered *[]string `json:"registered_countries,omitempty" nullable:"false" maxItems:"300" doc:"Those that need a registered sender, besides the server's." example:"[\"IN\"]"`
	OwnNumber  *string   `json:"own_number,omitempty" doc:"The account's own phone, to which it may send without a registered sender, alone in a request; empty for none." example:"+254701234567"`
	Window     *string   `json:"repeat_window,omitempty" doc:"In which an identical message to the same recipient is refused, up to 3600s; 0s: it never is; empty: as the API that is used asks." example:"60s"`
	MaxParts   *int      `json:"max_parts,omitempty" minimum:"0" maximum:"255" doc:"Most parts of one message; 0 for as many as the network joins."`
}

// policyReply is the rules that hold for the account.
type policyReply struct {
	Countries  []string `json:"countries" nullable:"false" doc:"Those that the account sends to; empty for all."`
	Registered []string `json:"registered_countries" nullable:"false" doc:"Those that need a registered sender, besides the server's."`
	OwnNumber  string   `json:"own_number"`
	Window     string   `json:"repeat_window" doc:"0s: an identical message is never refused; empty: as the API that is used asks." example:"60s"`
	MaxParts   int      `json:"max_parts" doc:"0 for as many as the network joins."`
	Own        bool     `json:"own" doc:"The account has decided this itself; otherwise it is its parent's, or nobody's."`
}

// countriesRequest is countries that need a registered sender.
type countriesRequest struct {
	Countries []string `json:"countries" nullable:"false" maxItems:"300" example:"[\"IN\",\"SG\"]"`
}

// countriesReply is countries that need a registered sender.
type countriesReply struct {
	Countries []string `json:"countries" nullable:"false"`
}

func showPolicy(p policy.Policy, own bool) policyReply {
	shown := policyReply{Countries: some(p.Countries), Registered: some(p.Registered), OwnNumber: p.OwnNumber.Display(), MaxParts: p.MaxParts, Own: own}
	if p.Window != nil {
		shown.Window = fmt.Sprintf("%ds", *p.Window/time.Second)
	}
	return shown
}

// some is a list that is there, if empty.
func some(list []string) []string { return append([]string{}, list...) }

func (s *server) readPolicy(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	p, own, err := s.core.Policies.Get(r.Context(), &c.Account)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showPolicy(p, own))
}

// changePolicy changes what the request names.
func (s *server) changePolicy(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[policyRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	var now policy.Policy
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		now, err = s.core.Policies.Change(tx, c.By, &c.Account, func(p *policy.Policy) error { return in.edit(p, c.Account.Region) })
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showPolicy(now, true))
}

// edit puts what the request names into a policy.
func (in *policyRequest) edit(p *policy.Policy, region string) (err error) {
	set(&p.Countries, in.Countries)
	set(&p.Registered, in.Registered)
	set(&p.MaxParts, in.MaxParts)
	if in.OwnNumber != nil {
		p.OwnNumber = message.Address{}
		if *in.OwnNumber != "" {
			if p.OwnNumber, err = message.ParsePhone(*in.OwnNumber, region); err != nil {
				return fault.New(fault.InvalidField, "the own number is a phone").In("own_number")
			}
		}
	}
	if in.Window != nil {
		p.Window = nil
		if *in.Window != "" {
			window, err := time.ParseDuration(*in.Window)
			if err != nil {
				return fault.New(fault.InvalidField, "a window is a time such as 60s").In("repeat_window")
			}
			p.Window = &window
		}
	}
	return nil
}

func (s *server) deletePolicy(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	err := s.core.Store.Write(func(tx *store.Tx) error {
		dropped, err := s.core.Policies.Drop(tx, c.By, c.Account.ID)
		if err == nil && !dropped {
			err = fault.New(fault.NotHere, "the account has no policy of its own")
		}
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) readCountries(w http.ResponseWriter, r *http.Request) error {
	countries, err := s.core.Policies.ServerCountries(r.Context())
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, countriesReply{some(countries)})
}

// putCountries names the countries in place of those of before.
func (s *server) putCountries(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[countriesRequest](r)
	if err != nil {
		return err
	}
	if in.Countries == nil {
		return fault.New(fault.MissingField, "there is no list of countries; an empty one is for none").In("countries")
	}
	c := api.CallerOf(r)
	var now []string
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		now, err = s.core.Policies.SetServerCountries(tx, c.By, c.Account.ID, slices.Clone(in.Countries))
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, countriesReply{some(now)})
}
