// Package template keeps the texts that accounts send again and again, each under a name.
package template

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
)

// Limits of templates.
const (
	Most    = 1000 // of an account, so that all of them are searched at once
	maxName = 255  // characters
	maxBody = 10_000
)

// ID is the key of a template.
type ID = id.Of[Template]

// Template is a text with a name.
type Template struct {
	ID      ID
	Account account.ID
	Number  int    // never given twice in the account
	Name    string // the account's only template of that name, whatever its capitals
	Body    string
	Updated time.Time
}

// Change is what a change changes; nil leaves as it is.
type Change struct {
	Name *string
	Body *string
}

// Keeper keeps templates.
type Keeper struct{ store *store.Store }

// New returns the keeper of the store's templates.
func New(s *store.Store) *Keeper { return &Keeper{s} }

func templateOf(r templateRecord) Template {
	return Template{ID(r.ID), r.AccountID, int(r.Number), r.Name, r.Body, time.UnixMilli(r.UpdatedAt).UTC()}
}

func check(t *Template) error {
	switch {
	case t.Name == "":
		return fault.New(fault.MissingField, "a template has a name").In("name")
	case t.Name != strings.TrimSpace(t.Name) || utf8.RuneCountInString(t.Name) > maxName || strings.ContainsAny(t.Name, "\r\n"):
		return fault.New(fault.InvalidField, "a name is one line of at most %d characters, with no space around it", maxName).In("name")
	case t.Body == "":
		return fault.New(fault.MissingField, "a template has a body").In("body")
	case strings.TrimSpace(t.Body) == "":
		return fault.New(fault.EmptyText, "the body is empty").In("body")
	case utf8.RuneCountInString(t.Body) > maxBody:
		return fault.New(fault.TextTooLong, "a body has at most %d characters", maxBody).In("body")
	}
	return nil
}

// Create adds a template. fault.AlreadyThere when its name is taken.
func (k *Keeper) Create(tx *store.Tx, by audit.Actor, t Template) (Template, error) {
	if err := check(&t); err != nil {
		return t, err
	}
	if err := unnamed(tx, &t); err != nil {
		return t, err
	}
	have, err := store.First[int64](tx, countTemplates, []countTemplatesParams{{AccountID: t.Account}})
	if err != nil {
		return t, fmt.Errorf("count templates: %w", err)
	}
	if *have[0] >= Most {
		return t, fault.New(fault.TooManyItems, "an account has at most %d templates", Most)
	}
	if t.Number, err = tx.NextNumber("template/" + t.Account.String()); err != nil {
		return t, err
	}
	t.ID, t.Updated = ID(tx.NewID()), tx.Now().Truncate(time.Millisecond)
	row := addTemplateParams{ID: int64(t.ID), AccountID: t.Account, Number: int64(t.Number), Name: t.Name, Folded: store.Fold(t.Name), Body: t.Body, UpdatedAt: tx.NowMilli()}
	if err := store.Run(tx, addTemplate, []addTemplateParams{row}); err != nil {
		return t, fmt.Errorf("add a template: %w", err)
	}
	return t, audit.Append(tx, audit.Entry{Account: t.Account, Actor: by, Action: "template.create", Subject: t.ID.String(), Detail: t.Name})
}

// unnamed refuses a name that another template of the account has.
func unnamed(tx *store.Tx, t *Template) error {
	found, err := store.First[int64](tx, templateNamed, []templateNamedParams{{AccountID: t.Account, Folded: store.Fold(t.Name)}})
	if err != nil {
		return fmt.Errorf("look for a template: %w", err)
	}
	if found[0] == nil || ID(*found[0]) == t.ID {
		return nil
	}
	f := fault.New(fault.AlreadyThere, "there is a template of this name").In("name")
	f.Existing = ID(*found[0]).String()
	return f
}

// Change changes a template. fault.AlreadyThere when its new name is taken.
func (k *Keeper) Change(tx *store.Tx, by audit.Actor, a account.ID, which ID, c Change) (Template, error) {
	t, err := k.lock(tx, a, which)
	if err != nil {
		return t, err
	}
	was := t
	if c.Name != nil {
		t.Name = *c.Name
	}
	if c.Body != nil {
		t.Body = *c.Body
	}
	if err := check(&t); err != nil {
		return was, err
	}
	if err := unnamed(tx, &t); err != nil {
		return was, err
	}
	t.Updated = tx.Now().Truncate(time.Millisecond)
	row := changeTemplateParams{Name: t.Name, Folded: store.Fold(t.Name), Body: t.Body, UpdatedAt: tx.NowMilli(), ID: int64(which)}
	if err := store.Run(tx, changeTemplate, []changeTemplateParams{row}); err != nil {
		return was, fmt.Errorf("change a template: %w", err)
	}
	return t, audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "template.change", Subject: which.String(), Was: was.Name, Became: t.Name})
}

// Drop deletes a template.
func (k *Keeper) Drop(tx *store.Tx, by audit.Actor, a account.ID, which ID) error {
	t, err := k.lock(tx, a, which)
	if err != nil {
		return err
	}
	if err := store.Run(tx, dropTemplate, []int64{int64(which)}); err != nil {
		return fmt.Errorf("drop a template: %w", err)
	}
	return audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "template.delete", Subject: which.String(), Detail: t.Name})
}

// lock is a template of the account as it is in the transaction.
func (k *Keeper) lock(tx *store.Tx, a account.ID, which ID) (Template, error) {
	rows, err := store.First[templateRecord](tx, oneTemplate, []oneTemplateParams{{ID: int64(which), AccountID: a}})
	if err != nil {
		return Template{}, fmt.Errorf("read a template: %w", err)
	}
	if rows[0] == nil {
		return Template{}, gone()
	}
	return templateOf(*rows[0]), nil
}

func gone() error { return fault.New(fault.NotHere, "there is no such template") }

// Get returns a template of the account.
func (k *Keeper) Get(ctx context.Context, a account.ID, which ID) (Template, error) {
	return found(on(k.store.Reader()).OneTemplate(ctx, oneTemplateParams{ID: int64(which), AccountID: a}))
}

// Numbered returns the account's template with a number.
func (k *Keeper) Numbered(ctx context.Context, a account.ID, number int) (Template, error) {
	return found(on(k.store.Reader()).TemplateNumbered(ctx, templateNumberedParams{AccountID: a, Number: int64(number)}))
}

func found(r templateRecord, err error) (Template, error) {
	if store.NoRows(err) {
		return Template{}, gone()
	}
	if err != nil {
		return Template{}, fmt.Errorf("read a template: %w", err)
	}
	return templateOf(r), nil
}

// List returns the templates of an account before the given one (zero: from the newest), newest first. All of them are Most.
func (k *Keeper) List(ctx context.Context, a account.ID, before ID, page int) ([]Template, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(k.store.Reader()).TemplatesOf(ctx, templatesOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	list := make([]Template, len(rows))
	for i, r := range rows {
		list[i] = templateOf(r)
	}
	return list, nil
}
