package contact

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// ListID is the key of a list.
type ListID = id.Of[List]

// List is a list of contacts.
type List struct {
	ID      ListID
	Account account.ID
	Number  int32  // never given twice in the account
	Name    string // the account's only list of that name
	Members int
	Updated time.Time
}

func listOf(r contactListRecord) List {
	return List{ListID(r.ID), r.AccountID, int32(r.Number), r.Name, int(r.Members), time.UnixMilli(r.UpdatedAt).UTC()}
}

func checkName(name string) error {
	if name == "" || name != strings.TrimSpace(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsAny(name, "\r\n") {
		return fault.New(fault.InvalidField, "a name is one line of 1 to %d characters, with no space around it", maxName).In("name")
	}
	return nil
}

// unnamed refuses a name that another list has.
func unnamed(tx *store.Tx, a account.ID, which ListID, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	found, err := store.First[int64](tx, listNamed, []listNamedParams{{AccountID: a, Folded: store.Fold(name)}})
	if err != nil {
		return wrap("look for a list", err)
	}
	if found[0] == nil || ListID(*found[0]) == which {
		return nil
	}
	f := fault.New(fault.AlreadyThere, "there is a list of this name").In("name")
	f.Existing = ListID(*found[0]).String()
	return f
}

// CreateList adds an empty list, or fails with fault.AlreadyThere when its name is taken.
func (k *Keeper) CreateList(tx *store.Tx, by audit.Actor, a account.ID, name string) (List, error) {
	if err := unnamed(tx, a, 0, name); err != nil {
		return List{}, err
	}
	number, err := store.First[int64](tx, takeListNumber, []takeListNumberParams{{AccountID: a}})
	if err != nil {
		return List{}, wrap("number a list", err)
	}
	if *number[0] > math.MaxInt32 {
		return List{}, fault.New(fault.TooManyItems, "the account has no numbers left for lists")
	}
	l := List{ListID(tx.NewID()), a, int32(*number[0]), name, 0, tx.Now()}
	err = store.Run(tx, addList, []addListParams{{
		ID: int64(l.ID), AccountID: a, Number: *number[0], Name: name, Folded: store.Fold(name), UpdatedAt: tx.NowMilli(),
	}})
	if err != nil {
		return List{}, wrap("add a list", err)
	}
	return l, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "list.create", Subject: l.ID.String(), Detail: name})
}

// RenameList gives a list another name.
func (k *Keeper) RenameList(tx *store.Tx, by audit.Actor, a account.ID, which ListID, name string) (List, error) {
	l, err := k.lock(tx, a, which)
	if err != nil {
		return l, err
	}
	if err := unnamed(tx, a, which, name); err != nil {
		return l, err
	}
	row := renameListParams{Name: name, Folded: store.Fold(name), UpdatedAt: tx.NowMilli(), ID: int64(which), AccountID: a}
	if err := store.Run(tx, renameList, []renameListParams{row}); err != nil {
		return l, wrap("rename a list", err)
	}
	was := l.Name
	l.Name, l.Updated = name, tx.Now()
	return l, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "list.change", Subject: l.ID.String(), Was: was, Became: name})
}

// DropList deletes a list. Its contacts stay.
func (k *Keeper) DropList(tx *store.Tx, by audit.Actor, a account.ID, which ListID) error {
	l, err := k.lock(tx, a, which)
	if err != nil {
		return err
	}
	if err := store.Run(tx, dropMembers, []int64{int64(which)}); err != nil {
		return wrap("drop a list", err)
	}
	if err := store.Run(tx, dropList, []dropListParams{{ID: int64(which), AccountID: a}}); err != nil {
		return wrap("drop a list", err)
	}
	return audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "list.delete", Subject: l.ID.String(), Detail: l.Name})
}

func noList(which ListID) error { return fault.New(fault.NotHere, "there is no list %s", which) }

// lock is a list of the account as it is in the transaction.
func (k *Keeper) lock(tx *store.Tx, a account.ID, which ListID) (List, error) {
	rows, err := store.First[contactListRecord](tx, oneList, []int64{int64(which)})
	if err != nil {
		return List{}, wrap("read a list", err)
	}
	if rows[0] == nil || rows[0].AccountID != a {
		return List{}, noList(which)
	}
	return listOf(*rows[0]), nil
}

// GetList returns a list of the account.
func (k *Keeper) GetList(ctx context.Context, a account.ID, which ListID) (List, error) {
	r, err := on(k.store.Reader()).OneList(ctx, oneListParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return List{}, noList(which)
	}
	return listOf(r), wrap("read a list", err)
}

// Lists returns the lists of an account before the given one (zero: from the newest), newest first.
func (k *Keeper) Lists(ctx context.Context, a account.ID, before ListID, page int) ([]List, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(k.store.Reader()).ListsOf(ctx, listsOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	return listsOfRows(rows), wrap("list lists", err)
}

// ListsWith returns the lists that have a contact.
func (k *Keeper) ListsWith(ctx context.Context, who ID) ([]List, error) {
	rows, err := on(k.store.Reader()).ListsWith(ctx, listsWithParams{ContactID: who})
	return listsOfRows(rows), wrap("list lists of a contact", err)
}

func listsOfRows(rows []contactListRecord) []List {
	list := make([]List, len(rows))
	for i, r := range rows {
		list[i] = listOf(r)
	}
	return list
}

// Put adds contacts to a list, each once, and tells how many are new in it. Who is no contact of the account is left out.
func (k *Keeper) Put(tx *store.Tx, a account.ID, which ListID, who []ID) (int, error) {
	if _, err := k.lock(tx, a, which); err != nil {
		return 0, err
	}
	rows := make([]addMemberParams, len(who))
	for i, c := range who {
		rows[i] = addMemberParams{ListID: int64(which), ContactID: c, AccountID: a}
	}
	n, err := store.Each(tx, addMember, rows)
	if err != nil {
		return 0, wrap("add to a list", err)
	}
	return k.count(tx, which, n, 1)
}

// Take removes contacts from a list, and tells how many were in it.
func (k *Keeper) Take(tx *store.Tx, a account.ID, which ListID, who []ID) (int, error) {
	if _, err := k.lock(tx, a, which); err != nil {
		return 0, err
	}
	return k.take(tx, which, who)
}

func (k *Keeper) take(tx *store.Tx, which ListID, who []ID) (int, error) {
	rows := make([]dropMemberParams, len(who))
	for i, c := range who {
		rows[i] = dropMemberParams{ListID: int64(which), ContactID: c}
	}
	n, err := store.Each(tx, dropMember, rows)
	if err != nil {
		return 0, wrap("remove from a list", err)
	}
	return k.count(tx, which, n, -1)
}

// count notes how many members a list has more, or fewer.
func (k *Keeper) count(tx *store.Tx, which ListID, touched []int64, sign int64) (int, error) {
	sum := int64(0)
	for _, n := range touched {
		sum += n
	}
	if sum == 0 {
		return 0, nil
	}
	row := countMembersParams{More: sign * sum, UpdatedAt: tx.NowMilli(), ID: int64(which)}
	return int(sum), wrap("count a list", store.Run(tx, countMembers, []countMembersParams{row}))
}

// Transfer takes contacts out of one list and puts them into another; those who are not in the first stay where they are. It tells how
// many have moved.
func (k *Keeper) Transfer(tx *store.Tx, a account.ID, from, to ListID, who []ID) (int, error) {
	for _, which := range []ListID{from, to} {
		if _, err := k.lock(tx, a, which); err != nil {
			return 0, err
		}
	}
	if from == to {
		return 0, nil
	}
	who = slices.Compact(slices.Sorted(slices.Values(who)))
	rows := make([]dropMemberParams, len(who))
	for i, c := range who {
		rows[i] = dropMemberParams{ListID: int64(from), ContactID: c}
	}
	n, err := store.Each(tx, dropMember, rows)
	if err != nil {
		return 0, wrap("remove from a list", err)
	}
	var moved []ID
	for i, c := range who {
		if n[i] > 0 {
			moved = append(moved, c)
		}
	}
	if _, err := k.Put(tx, a, to, moved); err != nil {
		return 0, err
	}
	return k.count(tx, from, n, -1)
}

// Subtract takes out of a list whoever is in another one, and tells how many there were. Of a list less itself nothing is taken.
func (k *Keeper) Subtract(tx *store.Tx, a account.ID, from, other ListID) (int, error) {
	for _, which := range []ListID{from, other} {
		if _, err := k.lock(tx, a, which); err != nil {
			return 0, err
		}
	}
	if from == other {
		return 0, nil
	}
	n, err := store.Each(tx, dropShared, []dropSharedParams{{ListID: int64(from), OtherID: int64(other)}})
	if err != nil {
		return 0, wrap("subtract a list", err)
	}
	return k.count(tx, from, n, -1)
}

// Remove takes whoever has one of the addresses out of a list, and tells how many there were.
func (k *Keeper) Remove(tx *store.Tx, a account.ID, which ListID, addresses []Ask) (int, error) {
	if _, err := k.lock(tx, a, which); err != nil {
		return 0, err
	}
	who, err := k.Holders(tx, addresses)
	if err != nil {
		return 0, err
	}
	return k.take(tx, which, who)
}
