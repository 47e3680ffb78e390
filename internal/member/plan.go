package member

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// Plan is how much the accounts that have it may do.
type Plan struct {
	Name   string
	Limits account.Limits
}

var planNames = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Bounds of a plan: what no sum of them leaves.
const (
	maxPerMinute = 100_000_000
	maxQueue     = 1_000_000_000
)

func (r *register) loadPlans(ctx context.Context, q store.Queryer) (map[string]account.Limits, error) {
	rows, err := on(q).Plans(ctx)
	if err != nil {
		return nil, err
	}
	limits := map[string]account.Limits{}
	for _, row := range rows {
		l := limitsOf(row)
		limits[row.Name], r.plans = l, append(r.plans, Plan{row.Name, l})
	}
	return limits, nil
}

func limitsOf(r plansRow) account.Limits {
	return account.Limits{
		Requests: int(r.RequestsPerMinute), Burst: int(r.Burst), Messages: int(r.MessagesPerMinute), Queue: int(r.Queue), Devices: int(r.Devices),
		Surface: int(r.SurfaceRequestsPerMinute),
	}
}

// toldLimits are limits for the audit log.
type toldLimits struct {
	Requests int `json:"requests_per_minute"`
	Burst    int `json:"burst"`
	Messages int `json:"messages_per_minute"`
	Queue    int `json:"queue"`
	Devices  int `json:"devices"`
	Surface  int `json:"surface_requests_per_minute"`
}

func tellLimits(l account.Limits) string {
	return audit.Values(toldLimits(l))
}

// Plans lists the plans by name.
func (k *Keeper) Plans(ctx context.Context) ([]Plan, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.plans), nil
}

// CreatePlan stores a plan, or fails with fault.AlreadyThere when the name is taken.
func (k *Keeper) CreatePlan(tx *store.Tx, by audit.Actor, owner account.ID, p Plan) error {
	if !planNames.MatchString(p.Name) {
		return fault.New(fault.InvalidField, "the name of a plan has small letters, digits, - and _").In("name")
	}
	if err := checkLimits(p.Limits); err != nil {
		return err
	}
	l := p.Limits
	added, err := store.Each(tx, addPlan, []addPlanParams{{
		Name: p.Name, RequestsPerMinute: int64(l.Requests), Burst: int64(l.Burst), MessagesPerMinute: int64(l.Messages), Queue: int64(l.Queue), Devices: int64(l.Devices),
		SurfaceRequestsPerMinute: int64(l.Surface), UpdatedAt: tx.NowMilli(),
	}})
	if err != nil {
		return fmt.Errorf("create plan: %w", err)
	}
	if added[0] == 0 {
		return fault.New(fault.AlreadyThere, "there is a plan with this name").In("name")
	}
	return noted(tx, audit.Entry{Account: owner, Actor: by, Action: "plan.create", Subject: p.Name, Became: tellLimits(l)})
}

// PlanChange is what an update changes; nil leaves as it is.
type PlanChange struct {
	Requests *int
	Burst    *int
	Messages *int
	Queue    *int
	Devices  *int
	Surface  *int
}

// ChangePlan changes the limits of a plan. They hold from the next request on.
func (k *Keeper) ChangePlan(tx *store.Tx, by audit.Actor, owner account.ID, name string, c PlanChange) (Plan, error) {
	rows, err := store.First[planNamedRow](tx, planNamed, []planNamedParams{{Name: name}})
	if err != nil {
		return Plan{}, fmt.Errorf("read plan: %w", err)
	}
	if rows[0] == nil {
		return Plan{}, noPlan()
	}
	was := limitsOf(plansRow(*rows[0]))
	l := was
	put(&l.Requests, c.Requests)
	put(&l.Burst, c.Burst)
	put(&l.Messages, c.Messages)
	put(&l.Queue, c.Queue)
	put(&l.Devices, c.Devices)
	put(&l.Surface, c.Surface)
	if err := checkLimits(l); err != nil {
		return Plan{}, err
	}
	err = store.Run(tx, changePlan, []changePlanParams{{
		RequestsPerMinute: int64(l.Requests), Burst: int64(l.Burst), MessagesPerMinute: int64(l.Messages), Queue: int64(l.Queue), Devices: int64(l.Devices),
		SurfaceRequestsPerMinute: int64(l.Surface), UpdatedAt: tx.NowMilli(), Name: name,
	}})
	if err != nil {
		return Plan{}, fmt.Errorf("change plan: %w", err)
	}
	e := audit.Entry{Account: owner, Actor: by, Action: "plan.change", Subject: name, Was: tellLimits(was), Became: tellLimits(l)}
	return Plan{name, l}, noted(tx, e)
}

// DropPlan removes a plan that no account has.
func (k *Keeper) DropPlan(tx *store.Tx, by audit.Actor, owner account.ID, name string) error {
	dropped, err := store.Each(tx, dropPlan, []dropPlanParams{{Name: name}})
	if err != nil {
		return fmt.Errorf("drop plan: %w", err)
	}
	if dropped[0] == 1 {
		return noted(tx, audit.Entry{Account: owner, Actor: by, Action: "plan.delete", Subject: name})
	}
	there, err := store.First[planNamedRow](tx, planNamed, []planNamedParams{{Name: name}})
	if err != nil {
		return fmt.Errorf("look for the plan: %w", err)
	}
	if there[0] == nil {
		return noPlan()
	}
	return fault.New(fault.StillUsed, "accounts have this plan")
}

func noPlan() error { return fault.New(fault.NotHere, "there is no such plan") }

func checkLimits(l account.Limits) error {
	for _, c := range []struct {
		field             string
		value, least, max int
	}{
		{"requests_per_minute", l.Requests, 0, maxPerMinute},
		{"burst", l.Burst, 1, maxPerMinute},
		{"messages_per_minute", l.Messages, 0, maxPerMinute},
		{"queue", l.Queue, 1, maxQueue},
		{"devices", l.Devices, 0, maxQueue},
		{"surface_requests_per_minute", l.Surface, 0, maxPerMinute},
	} {
		if c.value < c.least || c.value > c.max {
			return fault.New(fault.InvalidField, "%s is between %d and %d", c.field, c.least, c.max).In(c.field)
		}
	}
	return nil
}

// checkPlan refuses a plan that is not there.
func checkPlan(tx *store.Tx, name string) error {
	if name == "" {
		return nil
	}
	there, err := store.First[planNamedRow](tx, planNamed, []planNamedParams{{Name: name}})
	if err != nil {
		return fmt.Errorf("look for the plan: %w", err)
	}
	if there[0] == nil {
		return fault.New(fault.InvalidField, "there is no such plan").In("plan")
	}
	return nil
}
