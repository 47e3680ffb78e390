package member

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Subaccount is an account as its parent sees it. To programs that know it by a number it is Number, and by a name Username; what it may
// not do is Denied.
//
// A subaccount is made by Create with Parent set, and Change with its ProfileChange; it ends by Close, after which no list has
// it and its user name stays taken. The key that its parent is shown is one of the name key.Main: made and made anew by
// key.Keeper.Renew, shown that once, and told apart later by key.Key.Hint.
type Subaccount struct {
	account.Account
	Profile Profile
}

// SubaccountFields are what subaccounts are found and ordered by.
var SubaccountFields = []string{"subaccount_id", "api_username", "email", "phone_number", "first_name", "last_name"}

// field is what a subaccount is found by: equal where it is an id or a number, else a part of it, in any case.
type field struct {
	of    func(*Subaccount) string
	equal bool
}

var fields = map[string]field{
	"subaccount_id": {func(s *Subaccount) string { return strconv.Itoa(s.Number) }, true},
	"api_username":  {func(s *Subaccount) string { return s.Username }, false},
	"email":         {func(s *Subaccount) string { return s.Profile.Email }, false},
	"phone_number":  {func(s *Subaccount) string { return s.Profile.Phone }, true},
	"first_name":    {func(s *Subaccount) string { return s.Profile.FirstName }, false},
	"last_name":     {func(s *Subaccount) string { return s.Profile.LastName }, false},
}

// Term is a field, and what it must hold. An empty value is any.
type Term struct{ Field, Value string }

// Query says which subaccounts are wanted, in which order, and which of them.
type Query struct {
	Terms         []Term
	Any           bool   // of the terms is enough; else all
	Order         string // a field; what is none: subaccount_id
	Descending    bool
	Offset, Limit int
}

// Subaccounts returns a page of an account's subaccounts that are not closed, and how many there are on all pages. A term of a field that
// is none is fault.InvalidField.
func (k *Keeper) Subaccounts(ctx context.Context, parent account.Account, q Query) (list []Subaccount, total int, err error) {
	for _, t := range q.Terms {
		if _, known := fields[t.Field]; !known {
			return nil, 0, fault.New(fault.InvalidField, "subaccounts are not found by %.40q", t.Field).In("q")
		}
	}
	all, err := k.subaccounts(ctx, parent.ID)
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(s Subaccount) bool { return !q.wants(&s, parent.Region) })
	q.sort(all)
	first := min(max(q.Offset, 0), len(all))
	return all[first : first+min(max(q.Limit, 0), len(all)-first)], len(all), nil
}

// SubaccountNumbered is the subaccount with a number; false when the account has no such one that is not closed.
func (k *Keeper) SubaccountNumbered(ctx context.Context, parent account.ID, number int) (Subaccount, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return Subaccount{}, false, err
	}
	i := slices.IndexFunc(r.list, func(a account.Account) bool { return a.Number == number })
	if i < 0 || r.list[i].Parent != parent || r.list[i].Closed || parent == 0 {
		return Subaccount{}, false, nil
	}
	p, err := k.Profile(ctx, r.list[i].ID)
	return Subaccount{r.list[i], p}, err == nil, err
}

// subaccounts reads an account's subaccounts that are not closed, by their numbers.
func (k *Keeper) subaccounts(ctx context.Context, parent account.ID) ([]Subaccount, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := on(k.store.Reader()).Subaccounts(ctx, subaccountsParams{ParentID: parent})
	if err != nil {
		return nil, fmt.Errorf("list subaccounts: %w", err)
	}
	list := make([]Subaccount, 0, len(rows))
	for _, row := range rows {
		if a, ok := r.byID[row.ID]; ok && !a.Closed {
			list = append(list, Subaccount{a, Profile{row.Email, row.Phone, row.FirstName, row.LastName, row.Notes}})
		}
	}
	return list, nil
}

// wants tells whether the terms are met. The region is the one whose national numbers they may have.
func (q *Query) wants(s *Subaccount, region string) bool {
	for _, t := range q.Terms {
		if met := t.met(s, region); met == q.Any {
			return met
		}
	}
	return !q.Any || len(q.Terms) == 0
}

func (t Term) met(s *Subaccount, region string) bool {
	f := fields[t.Field]
	value := strings.ToLower(strings.TrimSpace(t.Value))
	if phone, err := message.ParsePhone(value, region); t.Field == "phone_number" && err == nil {
		value = phone.Value
	}
	has := strings.ToLower(f.of(s))
	return value == "" || has == value || t.Field == "phone_number" && has == "+"+value || !f.equal && strings.Contains(has, value)
}

func (q *Query) sort(list []Subaccount) {
	f, named := fields[q.Order]
	slices.SortStableFunc(list, func(a, b Subaccount) int {
		order := cmp.Compare(a.Number, b.Number)
		if named && q.Order != "subaccount_id" {
			order = cmp.Or(strings.Compare(strings.ToLower(f.of(&a)), strings.ToLower(f.of(&b))), order)
		}
		if q.Descending {
			return -order
		}
		return order
	})
}
