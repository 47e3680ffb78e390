package privacy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// Export is an account's data, or those about one person, as a file of JSON Lines under gzip.
type Export struct {
	ID      ExportID
	Account account.ID
	Address message.Address // none: all of the account
	State   State
	Lines   int
	Size    int64 // bytes of the file so far
	Ended   time.Time
	Expires time.Time
}

// ExportID is the key of an export.
type ExportID = id.Of[Export]

// State is how far an export or an erasure is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

var states = []State{Running, Done, Failed} // as they are stored

const (
	exportKind   = "export" // of jobs
	keepExports  = 7 * 24 * time.Hour
	exportsAtOne = 3         // time, of one account
	pieceSize    = 256 << 10 // bytes of lines in a piece, before gzip; one page may be more
	piecePause   = 20 * time.Millisecond
)

// StartExport has an account's data written to a file, or those about one person. What happens from now on is not in it.
func (p *Privacy) StartExport(tx *store.Tx, by audit.Actor, a account.ID, of message.Address) (Export, error) {
	running, err := store.First[int64](tx, runningExports, []runningExportsParams{{AccountID: a, Now: tx.NowMilli()}})
	if err != nil {
		return Export{}, fmt.Errorf("count exports: %w", err)
	}
	if *running[0] >= exportsAtOne {
		return Export{}, fault.New(fault.AlreadyThere, "%d exports of this account are under way", exportsAtOne)
	}
	e := Export{ID: ExportID(tx.NewID()), Account: a, Address: of, State: Running, Expires: tx.Now().Add(keepExports)}
	row := addExportParams{ID: int64(e.ID), AccountID: a, Address: of.String(), ExpiresAt: e.Expires.UnixMilli()}
	if err := store.Run(tx, addExport, []addExportParams{row}); err != nil {
		return e, fmt.Errorf("store export: %w", err)
	}
	what := "all"
	if of.Value != "" {
		what = "one person"
	}
	if err := audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "export.create", Subject: e.ID.String(), Detail: what}); err != nil {
		return e, err
	}
	return e, p.add(tx, exportKind, int64(e.ID), a)
}

// add adds the job of an export or an erasure.
func (p *Privacy) add(tx *store.Tx, kind string, subject int64, a account.ID) error {
	return p.Queue.Add(tx, []queue.Job{{ID: tx.NewID(), Lane: lane, Kind: kind, Subject: subject, Account: a, Priority: priority, Due: tx.Now()}})
}

// ReadExport returns an export of the account.
func (p *Privacy) ReadExport(ctx context.Context, a account.ID, which ExportID) (Export, error) {
	row, err := on(p.Store.Reader()).OneExport(ctx, oneExportParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && (row.AccountID != a || row.ExpiresAt <= p.Store.Now().UnixMilli()) {
		return Export{}, fault.New(fault.NotHere, "there is no export %s", which)
	}
	if err != nil {
		return Export{}, fmt.Errorf("read export: %w", err)
	}
	return exportOf(row), nil
}

// Exports lists the exports of an account before the given one (zero: from the newest), newest first.
func (p *Privacy) Exports(ctx context.Context, a account.ID, before ExportID, page int) ([]Export, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(p.Store.Reader()).ExportsOf(ctx, exportsOfParams{AccountID: a, Before: int64(before), Now: p.Store.Now().UnixMilli(), Page: int64(page)})
	if err != nil {
		return nil, fmt.Errorf("list exports: %w", err)
	}
	list := make([]Export, len(rows))
	for i, r := range rows {
		list[i] = exportOf(r)
	}
	return list, nil
}

func exportOf(r exportRecord) Export {
	e := Export{
		ID: ExportID(r.ID), Account: r.AccountID, Address: message.ParseAddress(r.Address), State: states[r.State], Lines: int(r.Done), Size: r.Size,
		Expires: time.UnixMilli(r.ExpiresAt).UTC(),
	}
	if r.EndedAt > 0 {
		e.Ended = time.UnixMilli(r.EndedAt).UTC()
	}
	return e
}

// WriteFile writes the file of an export that is done, a piece at a time.
func (p *Privacy) WriteFile(ctx context.Context, w io.Writer, e Export) error {
	for number := int64(1); ; number++ {
		data, err := on(p.Store.Reader()).OnePiece(ctx, onePieceParams{ExportID: int64(e.ID), Number: number})
		if store.NoRows(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a piece of an export: %w", err)
		}
		piece, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return fmt.Errorf("read a piece of an export: %w", err)
		}
		if _, err := w.Write(piece); err != nil {
			return fmt.Errorf("write a piece of an export: %w", err)
		}
	}
}

// place is how far an export is.
type place struct {
	Section int      `json:"section"`
	After   int64    `json:"after"`
	Piece   int64    `json:"piece"`
	Tries   int      `json:"tries,omitempty"`
	Aliases []string `json:"aliases,omitempty"` // the person's other addresses: what is about each comes after all sections
}

// steps is how many sections there are in all.
func (at *place) steps() int { return len(sections) + len(at.Aliases)*len(personal) }

// step is the section at the place, and what it is of.
func (at *place) step(e Export) (section, Export) {
	if at.Section < len(sections) {
		return sections[at.Section], e
	}
	n := at.Section - len(sections)
	e.Address = message.ParseAddress(at.Aliases[n/len(personal)])
	return personal[n%len(personal)], e
}

// aliases are the other addresses of the person whom an export is about.
func (p *Privacy) aliases(ctx context.Context, e Export) (list []string, err error) {
	if e.Address.Value == "" {
		return nil, nil
	}
	c, ok, err := p.Contacts.Having(ctx, e.Account, e.Address)
	if !ok || err != nil {
		return nil, err
	}
	for _, a := range c.Addresses {
		if a != e.Address {
			list = append(list, a.String())
		}
	}
	return list, nil
}

// share is the next piece of an export. Each piece is gzip of its own; one after another they are gzip too.
type share struct {
	row   moveExportParams
	piece *addPieceParams
}

// doExport writes the next piece of an export.
func (p *Privacy) doExport(ctx context.Context, t *queue.Task) {
	var at place
	_ = json.Unmarshal([]byte(t.Data), &at) // empty at first
	s, err := p.next(ctx, ExportID(t.Subject), &at)
	switch {
	case err != nil && ctx.Err() != nil:
		t.Next = queue.Again(p.Store.Now(), t.Step, t.Data)
	case err != nil && at.Tries+1 < tries:
		p.Log.Error("cannot export", "job", t.ID, "err", err)
		_ = json.Unmarshal([]byte(t.Data), &at)
		at.Tries++
		t.Next = queue.Again(p.Store.Now().Add(queue.Backoff(at.Tries)), t.Step, encode(at))
	case err != nil:
		p.Log.Error("an export was given up", "job", t.ID, "err", err)
		t.Payload, t.Next = p.givenUp(ctx, t.Subject), queue.Done()
	case s == nil:
		t.Next = queue.Done()
	default:
		t.Payload = s
		if t.Next = queue.Done(); s.row.State == 0 {
			t.Next = queue.Again(p.Store.Now().Add(piecePause), t.Step, encode(at))
		}
	}
}

// givenUp is the last share of an export that failed; nil when even that cannot be told.
func (p *Privacy) givenUp(ctx context.Context, export int64) *share {
	row, err := on(p.Store.Reader()).OneExport(ctx, oneExportParams{ID: export})
	if err != nil {
		return nil
	}
	return &share{row: moveExportParams{Done: row.Done, Size: row.Size, State: 2, EndedAt: p.Store.Now().UnixMilli(), ID: export}}
}

// next makes the piece of an export after the given place, and moves that on; nil when the export is over, or gone.
func (p *Privacy) next(ctx context.Context, which ExportID, at *place) (*share, error) {
	row, err := on(p.Store.Reader()).OneExport(ctx, oneExportParams{ID: int64(which)})
	if store.NoRows(err) || err == nil && (row.State != 0 || row.ExpiresAt <= p.Store.Now().UnixMilli()) {
		return nil, nil //nolint:nilnil // there is nothing to do
	}
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	e := exportOf(row)
	var raw bytes.Buffer
	lines := json.NewEncoder(&raw)
	lines.SetEscapeHTML(false)
	if at.Piece == 0 {
		if err := lines.Encode(heading(e)); err != nil {
			return nil, fmt.Errorf("encode a line: %w", err)
		}
		if at.Aliases, err = p.aliases(ctx, e); err != nil {
			return nil, err
		}
	}
	for at.Section < at.steps() && raw.Len() < pieceSize {
		read, of := at.step(e)
		page, next, err := read(p, ctx, of, at.After)
		if err != nil {
			return nil, err
		}
		for _, line := range page {
			if err := lines.Encode(line); err != nil {
				return nil, fmt.Errorf("encode a line: %w", err)
			}
		}
		row.Done += int64(len(page))
		if at.After = next; next == 0 {
			at.Section++
		}
	}
	at.Piece++
	at.Tries = 0
	data, err := pack(raw.Bytes())
	if err != nil {
		return nil, err
	}
	s := &share{
		row:   moveExportParams{Done: row.Done, Size: row.Size + int64(len(data)), ID: row.ID},
		piece: &addPieceParams{ExportID: row.ID, Number: at.Piece, Data: base64.StdEncoding.EncodeToString(data)},
	}
	if at.Section == at.steps() {
		s.row.State, s.row.EndedAt = 1, p.Store.Now().UnixMilli()
	}
	return s, nil
}

func pack(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(raw)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack a piece of an export: %w", err)
	}
	return b.Bytes(), nil
}

// endExports stores pieces, and how far their exports are.
func (p *Privacy) endExports(tx *store.Tx, tasks []*queue.Task) error {
	var rows []moveExportParams
	var pieces []addPieceParams
	for _, t := range tasks {
		s, _ := t.Payload.(*share)
		if s == nil || t.Fenced {
			continue
		}
		rows = append(rows, s.row)
		if s.piece != nil {
			pieces = append(pieces, *s.piece)
		}
	}
	if err := store.Run(tx, addPiece, pieces); err != nil {
		return fmt.Errorf("store pieces of exports: %w", err)
	}
	if err := store.Run(tx, moveExport, rows); err != nil {
		return fmt.Errorf("note how far exports are: %w", err)
	}
	return nil
}

// Drop deletes some of the exports that have expired, and tells whether there may be more.
func (p *Privacy) Drop(tx *store.Tx) (more bool, err error) {
	for _, stmt := range []string{dropPieces, dropExports} {
		n, err := store.Each(tx, stmt, []int64{tx.NowMilli()})
		if err != nil {
			return false, fmt.Errorf("drop exports: %w", err)
		}
		if n[0] > 0 {
			return true, nil
		}
	}
	return false, nil
}

// encode is the JSON of something of our own. That it fails is a mistake in this program.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(text)
}
