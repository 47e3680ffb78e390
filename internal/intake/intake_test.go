package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/intake"
	"tidings.dev/internal/member"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const address = "https://example.com/people.csv?signature=secret"

// shelf has a file at every address. fail is what comes of the next times that it is asked for.
type shelf struct {
	file  string
	fail  []error
	asked int
}

func (s *shelf) CheckURL(_ context.Context, raw string) error {
	if !strings.HasPrefix(raw, "https://") {
		return fault.New(fault.URLNotAllowed, "no")
	}
	return nil
}

func (s *shelf) Fetch(_ context.Context, raw string) (*http.Response, error) {
	if raw != address {
		return nil, fault.New(fault.MediaUnavailable, "%s is asked for", raw)
	}
	if s.asked++; s.asked <= len(s.fail) && s.fail[s.asked-1] != nil {
		return nil, s.fail[s.asked-1]
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(s.file))}, nil
}

// world is an account with a list, and a shelf.
type world struct {
	t        *testing.T
	store    *store.Store
	contacts *contact.Keeper
	members  *member.Keeper
	intake   *intake.Keeper
	shelf    *shelf
	account  account.Account
	list     contact.List
	nap      time.Duration // between two looks
}

func open(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, contacts: contact.New(s, event.New(s)), members: member.New(s, account.Limits{}), shelf: &shelf{}, nap: 5 * time.Millisecond}
	w.intake = w.worker(w.shelf)
	w.write(func(tx *store.Tx) (err error) {
		if w.account, err = w.members.Create(tx, audit.System, account.Account{Name: "Alice", Region: "KE", Currency: "KES"}, "", ""); err != nil {
			return err
		}
		w.list, err = w.contacts.CreateList(tx, audit.System, w.account.ID, "all")
		return err
	})
	return w
}

// worker is a keeper of the world's, as another start of the server has one.
func (w *world) worker(from intake.Fetcher) *intake.Keeper {
	quiet := slog.New(slog.DiscardHandler)
	return intake.New(intake.Config{Store: w.store, Queue: queue.New(w.store, quiet), Contacts: w.contacts, Members: w.members, Guard: from, Log: quiet})
}

func (w *world) write(f func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.Write(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start(fields string) intake.FileID {
	w.t.Helper()
	columns := strings.Fields(fields)
	if err := w.intake.Check(w.t.Context(), address, columns); err != nil {
		w.t.Fatal(err)
	}
	var f intake.File
	w.write(func(tx *store.Tx) (err error) {
		f, err = w.intake.Start(tx, audit.System, w.account.ID, w.list, address, columns)
		return err
	})
	return f.ID
}

func (w *world) read(which intake.FileID) intake.File {
	w.t.Helper()
	f, err := w.intake.Read(w.t.Context(), w.account.ID, which)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// finish works until the file is over.
func (w *world) finish(which intake.FileID) intake.File {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.intake.Run(ctx, w.t.Context()) }()
	defer func() { stop(); <-ended }()
	for deadline := time.Now().Add(time.Hour); ; time.Sleep(w.nap) {
		if f := w.read(which); f.State != intake.Running {
			return f
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the file is not over")
		}
	}
}

// refused are the lines that are told, with what is wrong in each.
func (w *world) refused(which intake.FileID) string {
	w.t.Helper()
	var b strings.Builder
	for after := 0; ; {
		page, err := w.intake.Refused(w.t.Context(), which, after, 2)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range page {
			fmt.Fprintf(&b, "%d %s %s\n", r.Line, r.Field, r.Code)
			after = r.Line
		}
		if len(page) < 2 {
			return b.String()
		}
	}
}

func TestEveryRowIsTakenOrTold(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Open(t))
	w.shelf.file = "\ufeffPhone,First Name,Last-Name,custom1,,Email\r\n" +
		"0701 234 567,Ann,Wanjiru,\"two\nlines\",x,\r\n" + // 2: a detail is one line
		"0701234568,Bea,\"Otieno, the \"\"first\"\"\",a,,bea@example.com\r\n" + // 4
		"\r\n" +
		"254701234569,Carl,,,,\n" + // 6
		"call me,Dan,,,,\n" + // 7
		",,,,,\n" + // 8: nobody
		"0701234568,,,b,,\n" + // 9: Bea again
		",Eve,,,,eve@example.com,,\n" + // 10: more cells, which are empty
		",Fay,,,,fay@example.com,,x\n" + // 11: one is not
		",Gus,,,,not an address\n" + // 12
		"0701234570,\xff\xfe,,,,\n" + // 13
		"0701234571,\"broken\"x,,,,\n" // 14
	id := w.start("phone first_name last_name custom_1 - email")
	if _, err := w.intake.Read(t.Context(), 1, id); !fault.Is(err, fault.NotHere) {
		t.Error("another account's:", err)
	}
	if busy, err := w.intake.Busy(t.Context(), w.account.ID); err != nil || !busy[w.list.ID] {
		t.Error("the list is not busy", err)
	}
	f := w.finish(id)
	if f.State != intake.Done || f.Counts != (intake.Counts{Rows: 11, Created: 3, Changed: 1, Refused: 7, Listed: 3}) {
		t.Errorf("%+v", f)
	}
	want := "2 attributes.custom_1 invalid_field\n7 phone invalid_recipient\n8 phone missing_field\n11  too_many_items\n12 email invalid_field\n13 first_name malformed_body\n14  malformed_body\n"
	if got := w.refused(id); got != want {
		t.Errorf("told is\n%swant\n%s", got, want)
	}
	l, err := w.contacts.GetList(t.Context(), w.account.ID, w.list.ID)
	if err != nil {
		t.Fatal(err)
	}
	people, _, err := w.contacts.Members(t.Context(), l, contact.Pick{Page: 9})
	if err != nil || len(people) != 3 || people[0].Name != `Bea Otieno, the "first"` || people[0].Details()[contact.Custom1] != "b" ||
		people[1].Addresses[0].Value != "+254701234569" || people[2].Email != "eve@example.com" || people[0].Source != contact.FromImport {
		t.Errorf("%+v %v", people, err)
	}
	if busy, err := w.intake.Busy(t.Context(), w.account.ID); err != nil || busy[w.list.ID] {
		t.Error("the list is still busy", err)
	}
}

// TestFilesEnd: a file that cannot be had is given up, with the reason; what failed for the moment is tried again.
func TestFilesEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("the connection broke")
	for name, c := range map[string]struct {
		file    string
		fail    []error
		prepare func(w *world)
		state   intake.State
		problem fault.Code
		asked   int
	}{
		"empty":        {state: intake.Done, asked: 1},
		"tried again":  {file: "0701234567\n", fail: []error{broken, broken}, state: intake.Done, asked: 3},
		"later":        {file: "0701234567\n", fail: []error{fault.New(fault.DiskFull, "the disk is full"), fault.New(fault.NotReady, "stopping")}, state: intake.Done, asked: 3},
		"given up":     {fail: []error{broken, broken, broken, broken, broken, broken, broken, broken}, state: intake.Failed, problem: fault.MediaUnavailable, asked: 8},
		"not there":    {fail: []error{fault.New(fault.MediaUnavailable, "404")}, state: intake.Failed, problem: fault.MediaUnavailable, asked: 1},
		"no such file": {file: strings.Repeat("x\n", 10_500), state: intake.Failed, problem: fault.TooManyItems, asked: 1},
		"the list is gone": {file: "0701234567\n", state: intake.Failed, problem: fault.NotHere, asked: 1, prepare: func(w *world) {
			w.write(func(tx *store.Tx) error { return w.contacts.DropList(tx, audit.System, w.account.ID, w.list.ID) })
		}},
		"suspended": {state: intake.Failed, problem: fault.AccountInactive, prepare: func(w *world) {
			w.write(func(tx *store.Tx) error { return w.members.SetActive(tx, audit.System, w.account.ID, false) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Virtual(t, func(t *testing.T) {
				w := open(t, storetest.Open(t))
				w.shelf.file, w.shelf.fail, w.nap = c.file, c.fail, time.Second
				id := w.start("phone")
				if c.prepare != nil {
					c.prepare(w)
				}
				if f := w.finish(id); f.State != c.state || f.Problem != c.problem || w.shelf.asked != c.asked || f.Ended.IsZero() || f.Rows != f.Created+f.Changed+f.Refused {
					t.Errorf("%+v, asked %d times", f, w.shelf.asked)
				}
			})
		})
	}
}

// TestNobodyIsDoubledByAnotherStart: a second worker that begins with the same rows leaves them to the first, and one that comes later
// goes on behind them.
func TestNobodyIsDoubledByAnotherStart(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Open(t))
	var file bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&file, "m%d@example.com\n", i)
	}
	w.shelf.file = file.String()
	id := w.start("email")
	// The file is counted as if another start had written its first 400 rows.
	w.write(func(tx *store.Tx) error {
		return store.Run(tx, "UPDATE intake SET rows = 400, created = 400 WHERE id = $1", []int64{int64(id)})
	})
	if f := w.finish(id); f.State != intake.Done || f.Rows != 1000 || f.Created != 1000 || f.Listed != 600 {
		t.Errorf("%+v", f)
	}
	if f := w.finish(id); f.Rows != 1000 {
		t.Errorf("over, and still worked at: %+v", f)
	}
}

func TestFilesThatAreNotTaken(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Open(t))
	for _, c := range []struct {
		url, fields string
		code        fault.Code
	}{
		{"", "phone", fault.MissingField},
		{"http://10.0.0.1/", "phone", fault.URLNotAllowed},
		{address, "", fault.MissingField},
		{address, "name", fault.MissingField},
		{address, "phone shoe", fault.InvalidField},
		{address, "phone phone", fault.InvalidField},
	} {
		if err := w.intake.Check(t.Context(), c.url, strings.Fields(c.fields)); !fault.Is(err, c.code) {
			t.Errorf("%s %s: %v", c.url, c.fields, err)
		}
	}
	if err := w.worker(nil).Check(t.Context(), address, []string{"phone"}); !fault.Is(err, fault.NotEnabled) {
		t.Error("turned off:", err)
	}
	for range 3 {
		w.start("- - phone")
	}
	err := w.store.Write(func(tx *store.Tx) error {
		_, err := w.intake.Start(tx, audit.System, w.account.ID, w.list, address, []string{"phone"})
		return err
	})
	if !fault.Is(err, fault.AlreadyThere) {
		t.Error("a fourth one:", err)
	}
	if list, err := w.intake.List(t.Context(), w.account.ID, 0, 9); len(list) != 3 || err != nil {
		t.Error(len(list), err)
	}
}

// TestFilesAreForgotten: what is told of them goes after a week, the address as soon as they are over.
func TestFilesAreForgotten(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	w := open(t, s)
	w.shelf.file = "x\n0701234567\n"
	id := w.start("phone")
	w.finish(id)
	var source string
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT source FROM intake").Scan(&source); source != "" || err != nil {
		t.Error(source, err)
	}
	s.Shift(8 * 24 * time.Hour)
	if _, err := w.intake.Read(t.Context(), w.account.ID, id); !fault.Is(err, fault.NotHere) {
		t.Error(err)
	}
	for more := true; more; {
		w.write(func(tx *store.Tx) (err error) { more, err = intake.Drop(tx); return err })
	}
	var left int
	if err := s.Reader().QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM intake) + (SELECT count(*) FROM intake_refused)").Scan(&left); left != 0 || err != nil {
		t.Error(left, err)
	}
}
