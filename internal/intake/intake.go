// Package intake reads files of people into lists: fetched from where an account says, row by row, so that neither a large file nor a
// restart loses or doubles anybody.
package intake

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/id"
	"tidings.dev/internal/member"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

const (
	lane       = "intake"
	kind       = "intake"
	workers    = 2
	priority   = 3
	tries      = 8 // to get the file, over some minutes
	keepFor    = 7 * 24 * time.Hour
	filesAtOne = 3      // time, of one account
	chunk      = 200    // rows in one transaction
	maxRefused = 10_000 // rows that are no person; a file with more is something else
)

// Config is what an intake works with.
type Config struct {
	Store    *store.Store
	Queue    *queue.Queue
	Contacts *contact.Keeper
	Members  *member.Keeper
	Guard    Fetcher // nil: the operator has not turned it on
	Log      *slog.Logger
}

// Fetcher gets files from addresses that others give us: *guard.Client.
type Fetcher interface {
	CheckURL(ctx context.Context, address string) error
	Fetch(ctx context.Context, address string) (*http.Response, error)
}

var _ Fetcher = (*guard.Client)(nil)

// Keeper takes files in.
type Keeper struct{ Config }

// New returns a keeper and makes its jobs known to the queue.
func New(c Config) *Keeper {
	k := &Keeper{c}
	nothing := func(*store.Tx, []*queue.Task) error { return nil }
	c.Queue.Handle(kind, queue.Kind{Begin: nothing, End: nothing, Hardy: true})
	return k
}

// Run works until ctx ends, then finishes what is under way; hard ends that too.
func (k *Keeper) Run(ctx, hard context.Context) {
	k.Queue.Work(ctx, hard, lane, workers, nil, k.do)
}

// File is a file that is taken in, or was.
type File struct {
	ID      FileID
	Account account.ID
	List    contact.ListID
	State   State
	Counts
	Problem fault.Code // why it failed
	Detail  string     // the same in words
	Ended   time.Time
	Expires time.Time
	source  string
	fields  []string
}

// FileID is the key of a file.
type FileID = id.Of[File]

// Counts are what became of the rows of a file.
type Counts struct {
	Rows    int // that were looked at
	Created int
	Changed int
	Refused int
	Listed  int // new in the list
}

// State is how far a file is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

var states = []State{Running, Done, Failed} // as they are stored

// place is where the address of a file is sealed.
func place(f FileID) string { return "intake/" + f.String() }

// Skip is the field of a column that is left alone.
const Skip = "-"

// Fields are what the columns of a file may be.
func Fields() []string { return append([]string{Skip, "phone", "email", "name"}, contact.Details...) }

// Check tells why a file cannot be taken in, as far as one can know before fetching it.
func (k *Keeper) Check(ctx context.Context, address string, fields []string) error {
	if k.Guard == nil {
		return fault.New(fault.NotEnabled, "files of contacts are not fetched here")
	}
	if address == "" {
		return fault.New(fault.MissingField, "the file is at some address").In("url")
	}
	if err := checkFields(fields); err != nil {
		return err
	}
	if err := k.Guard.CheckURL(ctx, address); err != nil {
		return fault.Of(err).In("url")
	}
	return nil
}

func checkFields(fields []string) error {
	reached := false
	for i, f := range fields {
		at := fmt.Sprintf("fields[%d]", i)
		switch {
		case !slices.Contains(Fields(), f):
			return fault.New(fault.InvalidField, "a column cannot be this").In(at)
		case f != Skip && slices.Contains(fields[:i], f):
			return fault.New(fault.InvalidField, "two columns are the same").In(at)
		}
		reached = reached || f == "phone" || f == "email" || f == contact.FaxNumber
	}
	if !reached {
		return fault.New(fault.MissingField, "a column has the phone, the email or the fax number").In("fields")
	}
	return nil
}

// Start has the file at an address taken into a list of the account. Check must have found nothing wrong with it.
func (k *Keeper) Start(tx *store.Tx, by audit.Actor, a account.ID, into contact.List, address string, fields []string) (File, error) {
	running, err := store.Find[int64](tx, runningIntakes, []account.ID{a})
	if err != nil {
		return File{}, fmt.Errorf("count files: %w", err)
	}
	if len(running) >= filesAtOne {
		return File{}, fault.New(fault.AlreadyThere, "%d files of this account are under way", filesAtOne)
	}
	f := File{ID: FileID(tx.NewID()), Account: a, List: into.ID, State: Running, Expires: tx.Now().Add(keepFor), fields: fields}
	if f.source, err = k.Store.Seal(place(f.ID), address); err != nil {
		return f, err
	}
	row := addIntakeParams{
		ID: int64(f.ID), AccountID: a, ListID: int64(f.List), Source: f.source, Fields: strings.Join(fields, "\n"), ExpiresAt: f.Expires.UnixMilli(),
	}
	if err := store.Run(tx, addIntake, []addIntakeParams{row}); err != nil {
		return f, fmt.Errorf("store a file: %w", err)
	}
	if err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "list.import", Subject: into.ID.String(), Detail: f.ID.String()}); err != nil {
		return f, err
	}
	return f, k.Queue.Add(tx, []queue.Job{{
		ID: tx.NewID(), Lane: lane, Kind: kind, Subject: int64(f.ID), Account: a, Priority: priority, Due: tx.Now(),
	}})
}

// Read returns a file of the account.
func (k *Keeper) Read(ctx context.Context, a account.ID, which FileID) (File, error) {
	row, err := on(k.Store.Reader()).OneIntake(ctx, oneIntakeParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && (row.AccountID != a || row.ExpiresAt <= k.Store.Now().UnixMilli()) {
		return File{}, fault.New(fault.NotHere, "there is no import %s", which)
	}
	if err != nil {
		return File{}, fmt.Errorf("read a file: %w", err)
	}
	return fileOf(row), nil
}

// List returns files of the account before the given one (zero: from the newest), newest first.
func (k *Keeper) List(ctx context.Context, a account.ID, before FileID, page int) ([]File, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(k.Store.Reader()).IntakesOf(ctx, intakesOfParams{AccountID: a, Before: int64(before), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	list := make([]File, len(rows))
	for i, r := range rows {
		list[i] = fileOf(r)
	}
	return list, nil
}

// Busy are the lists of an account into which a file is taken at present.
func (k *Keeper) Busy(ctx context.Context, a account.ID) (map[contact.ListID]bool, error) {
	rows, err := on(k.Store.Reader()).RunningIntakes(ctx, runningIntakesParams{AccountID: a})
	if err != nil {
		return nil, fmt.Errorf("look for files: %w", err)
	}
	busy := map[contact.ListID]bool{}
	for _, list := range rows {
		busy[contact.ListID(list)] = true
	}
	return busy, nil
}

func fileOf(r intakeRecord) File {
	f := File{
		ID: FileID(r.ID), Account: r.AccountID, List: contact.ListID(r.ListID), State: states[r.State], Problem: fault.Code(r.Problem), Detail: r.Detail,
		Counts:  Counts{Rows: int(r.Rows), Created: int(r.Created), Changed: int(r.Changed), Refused: int(r.Refused), Listed: int(r.Listed)},
		Expires: time.UnixMilli(r.ExpiresAt).UTC(), source: r.Source, fields: strings.Split(r.Fields, "\n"),
	}
	if r.EndedAt > 0 {
		f.Ended = time.UnixMilli(r.EndedAt).UTC()
	}
	return f
}

// Refused is a row that is no person.
type Refused struct {
	Line  int        // where the row begins in the file, from 1
	Field string     // empty: the whole row
	Code  fault.Code // what is wrong with it
}

// Refused returns rows of a file that are no person, behind a line.
func (k *Keeper) Refused(ctx context.Context, which FileID, after, page int) ([]Refused, error) {
	rows, err := on(k.Store.Reader()).RefusedOf(ctx, refusedOfParams{IntakeID: int64(which), After: int64(after), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list refused rows: %w", err)
	}
	list := make([]Refused, len(rows))
	for i, r := range rows {
		list[i] = Refused{int(r.Line), r.Field, fault.Code(r.Code)}
	}
	return list, nil
}

// Drop deletes some of what was told of files long ago, and tells whether there may be more.
func Drop(tx *store.Tx) (more bool, err error) {
	for _, stmt := range []string{dropRefused, dropIntakes} {
		n, err := store.Each(tx, stmt, []int64{tx.NowMilli()})
		if err != nil {
			return false, fmt.Errorf("drop files: %w", err)
		}
		if n[0] > 0 {
			return true, nil
		}
	}
	return false, nil
}
