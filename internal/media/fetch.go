package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	sameFor = 10 * time.Minute // how long one address is taken to lead to the same file
	gone    = "gone"
)

// place is where a file's source is sealed.
func place(id message.MediaID) string { return "media/" + id.String() }

// Link gives the file at an address its row: Fetch gets its bytes. Files of one address that are asked for soon after another are one.
func (k *Keeper) Link(tx *store.Tx, a account.ID, address, name string, kind message.Type) (message.MediaID, error) {
	mark := k.Store.Mark("media", string(kind)+"\x00"+name+"\x00"+address)
	ask := mediaByMarkParams{Mark: mark, AccountID: int64(a), Since: firstOf(tx.Now().Add(-sameFor))}
	rows, err := store.First[message.MediaID](tx, mediaByMark, []mediaByMarkParams{ask})
	if err != nil {
		return 0, fmt.Errorf("look for a file of the same address: %w", err)
	}
	if rows[0] != nil {
		return *rows[0], nil
	}
	f := File{Media: message.Media{ID: message.MediaID(tx.NewID()), Name: cleanName(name)}, Account: a, Kind: kind, State: Pending, Origin: Linked, Expires: k.until(tx.Now())}
	if f.source, err = k.Store.Seal(place(f.ID), address); err != nil {
		return 0, err
	}
	row := rowOf(f)
	row.Mark = mark
	return f.ID, k.insert(tx, row)
}

// Expect gives the file of a message that came in its row. source is what the network's driver fetches it by.
func (k *Keeper) Expect(tx *store.Tx, a account.ID, of message.ID, m message.Media, kind message.Type, source []byte) (id message.MediaID, err error) {
	m.ID, m.Name = message.MediaID(tx.NewID()), cleanName(m.Name)
	f := File{Media: m, Account: a, Kind: kind, State: Pending, Origin: Arrived, Message: of, Expires: k.until(tx.Now())}
	if f.source, err = k.Store.Seal(place(m.ID), string(source)); err != nil {
		return 0, err
	}
	row := rowOf(f)
	row.Uses = 1
	return m.ID, k.insert(tx, row)
}

// Final reports whether an error of Fetch or Receive says that the file will never be there.
func Final(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Kind() != fault.Unavailable
}

// Fetch returns a file with its bytes on disk, which it gets first where they are not. Its error is Final when nothing will help; then
// the file has failed.
func (k *Keeper) Fetch(ctx context.Context, id message.MediaID) (File, error) {
	release, err := k.alone(ctx, id)
	if err != nil {
		return File{}, err
	}
	defer release()
	files, err := k.Of(ctx, id)
	if err != nil {
		return File{}, err
	}
	f := files[0]
	switch {
	case f.State == Kept:
		return f, nil
	case f.State != Pending || f.Origin != Linked:
		return f, fault.New(fault.NotHere, "the file %s is %s", id, f.State)
	}
	err = k.download(ctx, &f)
	k.meters.fetched(Linked, err)
	if err != nil && !Final(err) {
		return f, err
	}
	if err != nil {
		f.State, f.Reason = Failed, string(fault.Of(err).Code)
	}
	return f, errors.Join(err, k.Store.Write(func(tx *store.Tx) error { return k.Settle(tx, f) }))
}

// alone waits until nobody here fetches the file.
func (k *Keeper) alone(ctx context.Context, id message.MediaID) (release func(), err error) {
	for {
		k.mu.Lock()
		busy := k.fetching[id]
		if busy == nil {
			mine := make(chan struct{})
			k.fetching[id] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				delete(k.fetching, id)
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// download gets the bytes of a file from the address that somebody gave.
func (k *Keeper) download(ctx context.Context, f *File) error {
	address, err := k.Store.Unseal(place(f.ID), f.source)
	if err != nil {
		return err
	}
	resp, err := k.Guard.Fetch(ctx, address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.ContentLength > k.Limits.Of(f.Kind) {
		return k.Limits.tooLarge(f.Kind)
	}
	if f.Name == "" && f.Kind == message.TypeDocument {
		f.Name = cleanName(path.Base(resp.Request.URL.Path))
	}
	err = k.save(ctx, f, func(w io.Writer) error {
		_, err := io.Copy(w, resp.Body)
		return err
	})
	switch {
	case err == nil:
		f.State = Kept
		return nil
	case errors.Is(err, guard.ErrTooLong):
		return k.Limits.tooLarge(f.Kind)
	}
	return err
}

// Receive gets the bytes of a file that came in with a message by the driver's fetch, and returns it as Settle takes it. Its error is
// Final where the file is over what is kept.
func (k *Keeper) Receive(ctx context.Context, id message.MediaID, fetch func(ctx context.Context, source []byte, into io.Writer) error) (File, error) {
	files, err := k.Of(ctx, id)
	if err != nil {
		return File{}, err
	}
	f := files[0]
	if f.State != Pending || f.Origin != Arrived {
		return f, nil
	}
	source, err := k.Store.Unseal(place(id), f.source)
	if err != nil {
		return f, err
	}
	err = k.save(ctx, &f, func(w io.Writer) error { return fetch(ctx, []byte(source), w) })
	k.meters.fetched(Arrived, err)
	if err == nil {
		f.State = Kept
	}
	return f, err
}

// Lost returns a file that came in as Settle takes it when nobody has it any more.
func Lost(id message.MediaID) File {
	return File{Media: message.Media{ID: id}, State: Gone, Reason: gone}
}

// Settle writes what became of a file that was to be fetched. Of two that fetched it the first counts.
func (k *Keeper) Settle(tx *store.Tx, f File) error {
	if f.State != Kept {
		if err := store.Run(tx, failMedia, []failMediaParams{{State: int16(f.State), Reason: f.Reason, ID: f.ID}}); err != nil {
			return fmt.Errorf("mark a file as %s: %w", f.State, err)
		}
		return nil
	}
	n, err := store.Each(tx, fillMedia, []fillMediaParams{{
		File: f.file, Mime: f.MIME, Name: f.Name, Size: f.Size, Sha256: f.SHA256, Width: int64(f.Width), Height: int64(f.Height), ID: f.ID,
	}})
	if err != nil {
		return fmt.Errorf("mark a file as kept: %w", err)
	}
	if n[0] == 0 {
		tx.After(func() { k.removes(f.file) })
	}
	return nil
}
