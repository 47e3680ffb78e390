// Package issue keeps what accounts tell the operator about messages that did not arrive, and what the operator answers.
package issue

import (
	"context"
	"fmt"
	"math"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Limits of what an issue says.
const (
	maxText  = 5000 // characters
	maxKind  = 32
	maxEmail = 254 // bytes
)

// ID is the key of an issue.
type ID = id.Of[Issue]

// Issue is what an account told of a message that did not arrive.
type Issue struct {
	ID          ID
	Account     account.ID
	Number      int        // never given twice in the account
	Message     message.ID // zero: none in particular. Whoever opens an issue has looked that it is the account's
	Kind        string     // of message, in the account's words, such as SMS
	Description string
	Comments    string // the account's
	Email       string // where the operator may answer; may be empty
	Support     string // what the operator says
	Resolved    time.Time
	Updated     time.Time
}

// Answer is what the operator changes; nil leaves as it is.
type Answer struct {
	Support  *string
	Resolved *bool
}

// Filter chooses issues of a list. Account 0: of all accounts, for the operator.
type Filter struct {
	Account account.ID
	Open    bool // only those that are not resolved, of all accounts
}

// Keeper keeps issues.
type Keeper struct{ store *store.Store }

// New returns the keeper of the store's issues.
func New(s *store.Store) *Keeper { return &Keeper{s} }

func issueOf(r issueRecord) Issue {
	i := Issue{
		ID(r.ID), r.AccountID, int(r.Number), r.MessageID, r.Kind, r.Description, r.Comments, r.Email, r.Support, time.Time{}, time.UnixMilli(r.UpdatedAt).UTC(),
	}
	if r.ResolvedAt != 0 {
		i.Resolved = time.UnixMilli(r.ResolvedAt).UTC()
	}
	return i
}

func check(i *Issue) error {
	switch {
	case i.Kind == "":
		return fault.New(fault.MissingField, "an issue has a type").In("type")
	case utf8.RuneCountInString(i.Kind) > maxKind || strings.ContainsAny(i.Kind, "\r\n"):
		return fault.New(fault.InvalidField, "a type is a word of at most %d characters", maxKind).In("type")
	case strings.TrimSpace(i.Description) == "":
		return fault.New(fault.MissingField, "an issue has a description").In("description")
	case utf8.RuneCountInString(i.Description) > maxText:
		return fault.New(fault.InvalidField, "a description has at most %d characters", maxText).In("description")
	case utf8.RuneCountInString(i.Comments) > maxText:
		return fault.New(fault.InvalidField, "comments have at most %d characters", maxText).In("comments")
	}
	if i.Email == "" {
		return nil
	}
	if a, err := mail.ParseAddress(i.Email); err != nil || a.Address != i.Email || len(i.Email) > maxEmail {
		return fault.New(fault.InvalidField, "this is no mail address").In("email")
	}
	return nil
}

// Open adds an issue.
func (k *Keeper) Open(tx *store.Tx, by audit.Actor, i Issue) (Issue, error) {
	err := check(&i)
	if err != nil {
		return i, err
	}
	if i.Number, err = tx.NextNumber("issue/" + i.Account.String()); err != nil {
		return i, err
	}
	i.ID, i.Updated = ID(tx.NewID()), tx.Now().Truncate(time.Millisecond)
	row := addIssueParams{
		ID: int64(i.ID), AccountID: i.Account, Number: int64(i.Number), MessageID: i.Message, Kind: i.Kind, Description: i.Description,
		Comments: i.Comments, Email: i.Email, UpdatedAt: tx.NowMilli(),
	}
	if err := store.Run(tx, addIssue, []addIssueParams{row}); err != nil {
		return i, fmt.Errorf("open an issue: %w", err)
	}
	return i, audit.Append(tx, audit.Entry{Account: i.Account, Actor: by, Action: "issue.open", Subject: i.ID.String()})
}

// Handle is what the operator does about an issue of any account: comments on it, resolves it, or opens it again.
func (k *Keeper) Handle(tx *store.Tx, by audit.Actor, which ID, with Answer) (Issue, error) {
	rows, err := store.First[issueRecord](tx, oneIssue, []oneIssueParams{{ID: int64(which)}})
	if err != nil {
		return Issue{}, fmt.Errorf("read an issue: %w", err)
	}
	if rows[0] == nil {
		return Issue{}, gone()
	}
	i := issueOf(*rows[0])
	was := state(&i)
	if with.Support != nil {
		if i.Support = *with.Support; utf8.RuneCountInString(i.Support) > maxText {
			return i, fault.New(fault.InvalidField, "comments have at most %d characters", maxText).In("support_comments")
		}
	}
	switch now := tx.Now().Truncate(time.Millisecond); {
	case with.Resolved == nil:
	case !*with.Resolved:
		i.Resolved = time.Time{}
	case i.Resolved.IsZero():
		i.Resolved = now
	}
	i.Updated = tx.Now().Truncate(time.Millisecond)
	row := handleIssueParams{Support: i.Support, UpdatedAt: i.Updated.UnixMilli(), ID: int64(which)}
	if !i.Resolved.IsZero() {
		row.ResolvedAt = i.Resolved.UnixMilli()
	}
	if err := store.Run(tx, handleIssue, []handleIssueParams{row}); err != nil {
		return i, fmt.Errorf("handle an issue: %w", err)
	}
	became := state(&i)
	return i, audit.Append(tx, audit.Entry{Account: i.Account, Actor: by, Action: "issue.handle", Subject: which.String(), Was: was, Became: became})
}

// state is whether an issue is open or resolved.
func state(i *Issue) string {
	if i.Resolved.IsZero() {
		return "open"
	}
	return "resolved"
}

func gone() error { return fault.New(fault.NotHere, "there is no such issue") }

// Get returns an issue of the account; of any, with account 0.
func (k *Keeper) Get(ctx context.Context, a account.ID, which ID) (Issue, error) {
	r, err := on(k.store.Reader()).OneIssue(ctx, oneIssueParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && a != 0 && r.AccountID != a {
		return Issue{}, gone()
	}
	if err != nil {
		return Issue{}, fmt.Errorf("read an issue: %w", err)
	}
	return issueOf(r), nil
}

// List returns issues before the given one (zero: from the newest), newest first.
func (k *Keeper) List(ctx context.Context, f Filter, before ID, page int) ([]Issue, error) {
	at := int64(before)
	if at == 0 {
		at = math.MaxInt64
	}
	var rows []issueRecord
	var err error
	switch reader := on(k.store.Reader()); {
	case f.Account != 0:
		rows, err = reader.IssuesOf(ctx, issuesOfParams{AccountID: f.Account, Before: at, Page: int64(page)})
	case f.Open:
		rows, err = reader.OpenIssues(ctx, openIssuesParams{Before: at, Page: int64(page)})
	default:
		rows, err = reader.AllIssues(ctx, allIssuesParams{Before: at, Page: int64(page)})
	}
	return read(rows, err)
}

// From returns issues of an account after so many, oldest first.
func (k *Keeper) From(ctx context.Context, a account.ID, offset, page int) ([]Issue, error) {
	return read(on(k.store.Reader()).IssuesFrom(ctx, issuesFromParams{AccountID: a, Rows: int64(offset), Page: int64(page)}))
}

func read(rows []issueRecord, err error) ([]Issue, error) {
	if err != nil {
		return nil, fmt.Errorf("list issues: %w", err)
	}
	list := make([]Issue, len(rows))
	for n, r := range rows {
		list[n] = issueOf(r)
	}
	return list, nil
}

// Forget empties what was said about messages of a person who is erased. That there were issues stays.
func (k *Keeper) Forget(tx *store.Tx, messages []int64) error {
	if err := store.Run(tx, forgetIssuesAbout, messages); err != nil {
		return fmt.Errorf("forget what issues say: %w", err)
	}
	return nil
}

// ForgetNamed empties what an account said in issues that name an address, in any case: PostgreSQL tells letters apart by it.
func (k *Keeper) ForgetNamed(tx *store.Tx, a account.ID, address message.Address) error {
	digits := strings.ToLower(strings.TrimPrefix(address.Value, "+"))
	if digits == "" {
		return nil
	}
	escaped := strings.NewReplacer("%", "_", `\`, "_").Replace(digits) // at most too much is forgotten
	row := forgetIssuesNamingParams{AccountID: a, Pattern: "%" + escaped + "%"}
	if err := store.Run(tx, forgetIssuesNaming, []forgetIssuesNamingParams{row}); err != nil {
		return fmt.Errorf("forget who is named in issues: %w", err)
	}
	return nil
}

// DropOld deletes some of the issues that were opened before the given time, and tells whether there may be more.
func (k *Keeper) DropOld(tx *store.Tx, before time.Time) (more bool, err error) {
	n, err := store.Each(tx, dropOldIssues, []dropOldIssuesParams{{Before: int64(id.At[Issue](before))}})
	if err != nil {
		return false, fmt.Errorf("drop old issues: %w", err)
	}
	return n[0] > 0, nil
}
