package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"tidings.dev/internal/contact"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/queue"
	"tidings.dev/internal/store"
)

// errLost is that somebody else goes on with the file.
var errLost = errors.New("somebody else has the file")

// do takes a file in, from where it was left. What is done of it is counted with each chunk, so that who begins again goes on behind it.
func (k *Keeper) do(ctx context.Context, t *queue.Task) {
	tried, _ := strconv.Atoi(t.Data) // empty at first
	row, err := on(k.Store.Reader()).OneIntake(ctx, oneIntakeParams{ID: t.Subject})
	if store.NoRows(err) || err == nil && states[row.State] != Running {
		t.Next = queue.Done()
		return
	}
	f := fileOf(row)
	if err == nil {
		err = k.take(ctx, &f)
	}
	if final := fault.Of(err); final != nil && final.Kind() != fault.Unavailable { // a full disk or a database that is away is of the moment
		err = k.end(f.ID, 2, final)
	}
	switch {
	case err == nil || errors.Is(err, errLost):
		t.Next = queue.Done()
	case ctx.Err() != nil:
		t.Next = queue.Again(k.Store.Now(), t.Step, t.Data)
	case tried+1 < tries:
		k.Log.Warn("cannot take a file of contacts in", "job", t.ID, "err", err)
		t.Next = queue.Again(k.Store.Now().Add(queue.Backoff(tried+1)), t.Step, strconv.Itoa(tried+1))
	default:
		k.Log.Error("a file of contacts was given up", "job", t.ID, "err", err)
		if err := k.end(f.ID, 2, fault.New(fault.MediaUnavailable, "the file could not be had in %d tries", tries)); err != nil {
			k.Log.Error("cannot note that a file was given up", "job", t.ID, "err", err)
		}
		t.Next = queue.Done()
	}
}

// take fetches a file and has its rows written. A fault is for good, but for one that tells to try again later.
func (k *Keeper) take(ctx context.Context, f *File) error {
	if k.Guard == nil {
		return fault.New(fault.NotEnabled, "files of contacts are not fetched here any more")
	}
	a, err := k.Members.Working(ctx, f.Account)
	if err != nil {
		return err
	}
	file, err := k.fetch(ctx, f)
	if err != nil {
		return err
	}
	rows := newReader(file, f.fields, a.Region)
	for range f.Rows {
		if _, err := rows.next(); err != nil {
			return fault.New(fault.MediaUnavailable, "the file is shorter than when it was fetched before")
		}
	}
	for {
		part, err := rows.some()
		if err != nil {
			return err
		}
		if len(part) == 0 {
			return k.end(f.ID, 1, nil)
		}
		if err := k.write(f, part); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// fetch is the whole file.
func (k *Keeper) fetch(ctx context.Context, f *File) ([]byte, error) {
	address, err := k.Store.Unseal(place(f.ID), f.source)
	if err != nil {
		return nil, err
	}
	resp, err := k.Guard.Fetch(ctx, address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	file, err := io.ReadAll(resp.Body)
	switch {
	case errors.Is(err, guard.ErrTooLong):
		return nil, fault.New(fault.MediaTooLarge, "the file is larger than files may be here")
	case err != nil:
		return nil, fmt.Errorf("read the file: %s", guard.Explain(err))
	}
	return file, nil
}

// some is the next few rows; none behind the last one.
func (r *reader) some() (part []row, err error) {
	for len(part) < chunk {
		one, err := r.next()
		if errors.Is(err, io.EOF) {
			return part, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a row: %w", err)
		}
		part = append(part, one)
	}
	return part, nil
}

// write writes some rows, and how far the file is, in one transaction.
func (k *Keeper) write(f *File, part []row) error {
	var counts Counts
	err := k.Store.Write(func(tx *store.Tx) (err error) {
		counts, err = k.save(tx, f, part)
		return err
	})
	if err != nil {
		return err
	}
	f.Rows, f.Refused = f.Rows+counts.Rows, f.Refused+counts.Refused
	if f.Refused > maxRefused {
		return fault.New(fault.TooManyItems, "more than %d rows are no person", maxRefused)
	}
	return nil
}

func (k *Keeper) save(tx *store.Tx, f *File, part []row) (Counts, error) {
	counts := Counts{Rows: len(part)}
	var refused []addRefusedParams
	refuse := func(r *row, why *fault.Fault) {
		refused = append(refused, addRefusedParams{IntakeID: int64(f.ID), Line: int64(r.line), Field: why.Field, Code: string(why.Code)})
	}
	var edits []contact.Edit
	var of []*row
	for i := range part {
		if r := &part[i]; r.fault != nil {
			refuse(r, r.fault)
		} else {
			edits, of = append(edits, r.edit), append(of, r)
		}
	}
	done, err := k.Contacts.Save(tx, f.Account, contact.FromImport, edits)
	if err != nil {
		return counts, err
	}
	var who []contact.ID
	for i, d := range done {
		switch {
		case d.Fault != nil:
			refuse(of[i], d.Fault)
			continue
		case d.New:
			counts.Created++
		default:
			counts.Changed++
		}
		who = append(who, d.ID)
	}
	if counts.Listed, err = k.Contacts.Put(tx, f.Account, f.List, who); err != nil {
		return counts, err
	}
	if err := store.Run(tx, addRefused, refused); err != nil {
		return counts, fmt.Errorf("note refused rows: %w", err)
	}
	counts.Refused = len(refused)
	moved, err := store.Each(tx, moveIntake, []moveIntakeParams{{
		More: int64(counts.Rows), Created: int64(counts.Created), Changed: int64(counts.Changed), Refused: int64(counts.Refused),
		Listed: int64(counts.Listed), ID: int64(f.ID), Seen: int64(f.Rows),
	}})
	if err == nil && moved[0] == 0 {
		err = errLost
	}
	return counts, err
}

// end notes that a file is over: state 1 is done, 2 failed.
func (k *Keeper) end(which FileID, state int16, why *fault.Fault) error {
	row := endIntakeParams{State: state, EndedAt: k.Store.Now().UnixMilli(), ID: int64(which)}
	if why != nil {
		row.Problem, row.Detail = string(why.Code), why.Text
	}
	if err := k.Store.Write(func(tx *store.Tx) error { return store.Run(tx, endIntake, []endIntakeParams{row}) }); err != nil {
		return fmt.Errorf("end a file: %w", err)
	}
	return nil
}
