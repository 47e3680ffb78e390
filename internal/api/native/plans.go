package native

import (
	"net/http"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

func (s *server) planOperations() []operation {
	return []operation{
		op[input[planRequest], output[planReply]]("POST /plans", account.Operate, "createPlan", "Make a plan", s.createPlan).answers(201).once(),
		op[noInput, output[plansReply]]("GET /plans", account.Operate, "listPlans", "List the plans by name", s.listPlans),
		op[nameInput, output[planReply]]("GET /plans/{name}", account.Operate, "readPlan", "Read a plan", s.readPlan),
		op[planChangeInput, output[planReply]]("PATCH /plans/{name}", account.Operate, "changePlan", "Change a plan; its accounts feel it at once", s.changePlan),
		op[nameInput, nothing]("DELETE /plans/{name}", account.Operate, "deletePlan", "Delete a plan that no account has", s.deletePlan).answers(204),
	}
}

// planRequest is a plan to make.
type planRequest struct {
	Name     string `json:"name" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$"`
	Requests int    `json:"requests_per_minute,omitempty" doc:"Of one key in the long run; all keys of an account have four times as many. 0 or absent: no limit." minimum:"0"`
	Burst    int    `json:"burst,omitempty" doc:"Requests of one key at once after a pause; those of a minute without it." minimum:"0"`
	Messages int    `json:"messages_per_minute,omitempty" doc:"That an account may send, over all surfaces together. 0 or absent: no limit." minimum:"0"`
	Queue    int    `json:"queue,omitempty" doc:"Messages that may wait at a time; 1,000,000 without it." minimum:"0"`
	Devices  int    `json:"devices,omitempty" doc:"Linked devices of an account and its subaccounts. 0 or absent: no limit." minimum:"0"`
	Surface  *int   `json:"surface_requests_per_minute,omitempty" doc:"Of an account on each of the compatible surfaces, which tell it in their headers; 60 without it. 0: no limit." minimum:"0"`
}

// planChangeRequest is what an update changes; what is absent stays.
type planChangeRequest struct {
	Requests *int `json:"requests_per_minute,omitempty" minimum:"0"`
	Burst    *int `json:"burst,omitempty" minimum:"1"`
	Messages *int `json:"messages_per_minute,omitempty" minimum:"0"`
	Queue    *int `json:"queue,omitempty" minimum:"1"`
	Devices  *int `json:"devices,omitempty" minimum:"0"`
	Surface  *int `json:"surface_requests_per_minute,omitempty" minimum:"0"`
}

type (
	nameInput struct {
		Name string `path:"name"`
	}
	planChangeInput struct {
		Name string `path:"name"`
		Body planChangeRequest
	}
)

// planReply is a plan.
type planReply struct {
	Name     string `json:"name"`
	Requests int    `json:"requests_per_minute" doc:"0: no limit."`
	Burst    int    `json:"burst"`
	Messages int    `json:"messages_per_minute" doc:"0: no limit."`
	Queue    int    `json:"queue"`
	Devices  int    `json:"devices" doc:"0: no limit."`
	Surface  int    `json:"surface_requests_per_minute" doc:"0: no limit."`
}

// plansReply is all plans: there are few.
type plansReply struct {
	Items []planReply `json:"items" nullable:"false"`
}

func showPlan(p member.Plan) planReply {
	return planReply{p.Name, p.Limits.Requests, p.Limits.Burst, p.Limits.Messages, p.Limits.Queue, p.Limits.Devices, p.Limits.Surface}
}

// defaultQueue is how many messages of an account may wait where its plan says nothing.
const defaultQueue = 1_000_000

// defaultSurface is how many requests a minute an account has on each compatible surface where its plan says nothing.
const defaultSurface = 60

func (s *server) createPlan(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[planRequest](r)
	if err != nil {
		return err
	}
	p := member.Plan{Name: in.Name, Limits: account.Limits{
		Requests: in.Requests, Burst: in.Burst, Messages: in.Messages, Queue: in.Queue, Devices: in.Devices, Surface: defaultSurface,
	}}
	if in.Surface != nil {
		p.Limits.Surface = *in.Surface
	}
	if p.Limits.Burst == 0 {
		p.Limits.Burst = max(in.Requests, 1)
	}
	if p.Limits.Queue == 0 {
		p.Limits.Queue = defaultQueue
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		return showPlan(p), s.core.Members.CreatePlan(tx, c.By, c.Account.ID, p)
	})
}

func (s *server) listPlans(w http.ResponseWriter, r *http.Request) error {
	plans, err := s.core.Members.Plans(r.Context())
	if err != nil {
		return err
	}
	reply := plansReply{Items: make([]planReply, len(plans))}
	for i, p := range plans {
		reply.Items[i] = showPlan(p)
	}
	return api.Reply(w, http.StatusOK, reply)
}

// plan is the plan of the path.
func (s *server) plan(r *http.Request) (member.Plan, error) {
	plans, err := s.core.Members.Plans(r.Context())
	if err != nil {
		return member.Plan{}, err
	}
	i := slices.IndexFunc(plans, func(p member.Plan) bool { return p.Name == r.PathValue("name") })
	if i < 0 {
		return member.Plan{}, fault.New(fault.NotHere, "there is no such plan")
	}
	return plans[i], nil
}

func (s *server) readPlan(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plan(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showPlan(p))
}

func (s *server) changePlan(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[planChangeRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		p, err := s.core.Members.ChangePlan(tx, c.By, c.Account.ID, r.PathValue("name"), member.PlanChange(*in))
		return showPlan(p), err
	})
}

func (s *server) deletePlan(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	return api.Commit(w, r, http.StatusNoContent, func(tx *store.Tx) (any, error) {
		return nil, s.core.Members.DropPlan(tx, c.By, c.Account.ID, r.PathValue("name"))
	})
}
