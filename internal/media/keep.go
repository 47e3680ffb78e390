package media

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	orphanAge  = 2 * time.Hour // bytes so old that no row names were never meant to stay
	sweepEvery = time.Hour
	endEvery   = time.Minute // how often files are looked for that have expired
	endPage    = 200
)

// firstOf is the smallest key of a moment.
func firstOf(t time.Time) message.MediaID { return id.At[message.Media](t) }

// Use is a message that is to have a file.
type Use struct {
	Account account.ID
	File    message.MediaID
	Until   time.Time // the message may need it so long
}

// Claim counts messages as having their files, which stay as long as those may need them, and tells for each whether the file is the
// account's and there, or to come.
func (k *Keeper) Claim(tx *store.Tx, uses []Use) ([]bool, error) {
	rows := make([]useMediaParams, len(uses))
	for i, u := range uses {
		rows[i] = useMediaParams{Until: u.Until.UnixMilli(), ID: u.File, AccountID: u.Account}
	}
	n, err := store.Each(tx, useMedia, rows)
	if err != nil {
		return nil, fmt.Errorf("claim files: %w", err)
	}
	there := make([]bool, len(uses))
	for i := range n {
		there[i] = n[i] > 0
	}
	return there, nil
}

// Release takes files from messages that are to be forgotten. One that no other message has goes.
func (k *Keeper) Release(tx *store.Tx, a account.ID, files []message.MediaID) error {
	rows := make([]releaseMediaParams, len(files))
	for i, f := range files {
		rows[i] = releaseMediaParams{ID: f, AccountID: a}
	}
	if err := store.Run(tx, releaseMedia, rows); err != nil {
		return fmt.Errorf("release files: %w", err)
	}
	found, err := store.First[mediumRecord](tx, mediaByID, mediaKeys(files))
	if err != nil {
		return fmt.Errorf("read files: %w", err)
	}
	for _, r := range found {
		if r == nil || r.AccountID != a || r.Uses > 0 {
			continue
		}
		if err := k.drop(tx, expiredMediaRow{ID: r.ID, File: r.File}); err != nil {
			return err
		}
	}
	return nil
}

func mediaKeys(files []message.MediaID) []mediaByIDParams {
	keys := make([]mediaByIDParams, len(files))
	for i, f := range files {
		keys[i].ID = f
	}
	return keys
}

// Delete deletes a file of the account. fault.NotHere for any other.
func (k *Keeper) Delete(tx *store.Tx, a account.ID, file message.MediaID) error {
	found, err := store.First[mediumRecord](tx, mediaByID, mediaKeys([]message.MediaID{file}))
	if err != nil {
		return fmt.Errorf("read a file's row: %w", err)
	}
	if r := found[0]; r != nil && r.AccountID == a {
		return k.drop(tx, expiredMediaRow{ID: r.ID, File: r.File})
	}
	return notHere(file)
}

// drop deletes rows; their bytes go once that is on disk.
func (k *Keeper) drop(tx *store.Tx, rows ...expiredMediaRow) error {
	ids, names := make([]message.MediaID, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		ids[i], names[i] = r.ID, r.File
	}
	if err := store.Run(tx, dropMedia, ids); err != nil {
		return fmt.Errorf("drop files: %w", err)
	}
	tx.After(func() { k.removes(names...) })
	return nil
}

// removals are names whose rows are gone. What a crash leaves of them is swept.
type removals struct {
	mu    sync.Mutex
	names []string
	bell  chan struct{}
}

func (k *Keeper) removes(names ...string) {
	k.removals.mu.Lock()
	defer k.removals.mu.Unlock()
	k.removals.names = append(k.removals.names, names...)
	select {
	case k.removals.bell <- struct{}{}:
	default:
	}
}

// Run removes what is to go until ctx ends.
func (k *Keeper) Run(ctx, _ context.Context) {
	end, sweep := time.NewTicker(endEvery), time.NewTicker(sweepEvery)
	defer end.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-k.removals.bell:
			err = k.remove(ctx)
		case <-end.C:
			err = k.Expire(ctx)
		case <-sweep.C:
			err = k.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.Log.Error("cannot remove files", "err", err)
		}
	}
}

// remove removes the bytes of what was dropped.
func (k *Keeper) remove(ctx context.Context) error {
	k.removals.mu.Lock()
	names := k.removals.names
	k.removals.names = nil
	k.removals.mu.Unlock()
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := k.blobs.remove(ctx, name); err != nil {
			return fmt.Errorf("remove a file: %w", err)
		}
	}
	return nil
}

// Expire drops what is past its time.
func (k *Keeper) Expire(ctx context.Context) error {
	for ctx.Err() == nil {
		rows, err := on(k.Store.Reader()).ExpiredMedia(ctx, expiredMediaParams{Now: k.Store.Now().UnixMilli()})
		if err != nil {
			return fmt.Errorf("look for files that expired: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		if err := k.Store.Write(func(tx *store.Tx) error { return k.drop(tx, rows...) }); err != nil {
			return err
		}
		if err := k.remove(ctx); err != nil || len(rows) < endPage {
			return err
		}
	}
	return ctx.Err()
}

// Sweep removes bytes that no row names: of uploads that broke off, and of what was dropped when the server was killed.
func (k *Keeper) Sweep(ctx context.Context) error {
	before := time.Now().Add(-orphanAge)
	err := walk(ctx, k.Dir, before, func(name string) error {
		if !strings.HasPrefix(name, temporary) {
			return nil
		}
		return os.Remove(filepath.Join(k.Dir, name))
	})
	if err != nil {
		return fmt.Errorf("sweep what was being written: %w", err)
	}
	n := 0
	err = k.blobs.each(ctx, before, func(name string) error {
		_, err := on(k.Store.Reader()).MediaByFile(ctx, mediaByFileParams{File: name})
		if !store.NoRows(err) {
			return err
		}
		n++
		return k.blobs.remove(ctx, name)
	})
	if n > 0 {
		k.Log.Info("swept files that no row names", "files", n)
	}
	if err != nil {
		return fmt.Errorf("sweep files: %w", err)
	}
	return nil
}
