package whatsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"tidings.dev/internal/channel"
)

// vault is the library's store of one device: all of it is kept in the channel's state, each thing under a name of its own. It
// keeps nothing in memory, so that a thousand devices cost no more than their rows.
type vault struct {
	state channel.State
	// failed is told when something could not be read or written: what follows from it would be wrong.
	failed func(error)
	// dropping is held by who forgets the device, and shared by who writes: nothing is written of a device that was forgotten.
	dropping sync.RWMutex
	dropped  bool
	// prekeys is held while keys are made, so that no two have one number.
	prekeys sync.Mutex
}

// storageError says that the state could not be read or written. It passes for a context that ended, since the library then
// neither acknowledges what it was about to decrypt nor asks for it again in another encryption: the network brings it again.
type storageError struct{ err error }

// Error is what was tried.
func (e *storageError) Error() string { return "keep the device: " + e.err.Error() }

// Unwrap is the cause.
func (e *storageError) Unwrap() error { return e.err }

// Is makes it pass for the end of a context.
func (e *storageError) Is(target error) bool { return target == context.Canceled }

// Tries of what the database refuses, and the pause before the second. A server's writes fail together, and rarely for long.
const (
	storageTries = 4
	storagePause = 50 * time.Millisecond
)

// try does something with the state, again if need be.
func (v *vault) try(ctx context.Context, do func() error) error {
	var err error
	for n := range storageTries {
		if err = do(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return &storageError{err}
		case <-time.After(storagePause << n):
		}
	}
	v.failed(err)
	return &storageError{err}
}

// errForgotten says that the device is linked no more, and that nothing is kept of it.
var errForgotten = errors.New("the device was forgotten")

// change is what is written together: a message's plaintext with the ratchets that have moved past it.
type change struct {
	mu   sync.Mutex
	kept map[string]channel.Kept
}

type changeKey struct{}

// together has all that do writes be on disk together, or nothing of it.
func (v *vault) together(ctx context.Context, do func(context.Context) error) error {
	c := &change{kept: map[string]channel.Kept{}}
	if err := do(context.WithValue(ctx, changeKey{}, c)); err != nil {
		return err
	}
	all := make([]channel.Kept, 0, len(c.kept))
	for _, k := range c.kept {
		all = append(all, k)
	}
	return v.write(ctx, all)
}

func (v *vault) write(ctx context.Context, kept []channel.Kept) error {
	if len(kept) == 0 {
		return nil
	}
	v.dropping.RLock()
	defer v.dropping.RUnlock()
	if v.dropped {
		return &storageError{errForgotten}
	}
	return v.try(ctx, func() error { return v.state.Save(ctx, kept...) })
}

// save keeps these, at once or with the rest of a change.
func (v *vault) save(ctx context.Context, kept ...channel.Kept) error {
	c, ok := ctx.Value(changeKey{}).(*change)
	if !ok {
		return v.write(ctx, kept)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range kept {
		c.kept[k.Name] = k
	}
	return nil
}

func (v *vault) put(ctx context.Context, name string, value []byte) error {
	return v.save(ctx, channel.Kept{Name: name, Value: value})
}

func (v *vault) drop(ctx context.Context, names ...string) error {
	kept := make([]channel.Kept, len(names))
	for i, name := range names {
		kept[i].Name = name
	}
	return v.save(ctx, kept...)
}

// dropAll forgets what has the prefix.
func (v *vault) dropAll(ctx context.Context, prefix string) error {
	all, err := v.list(ctx, prefix)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i, k := range all {
		names[i] = k.Name
	}
	return v.drop(ctx, names...)
}

// load returns what is kept under the names, nil where nothing is. What a change has is newer than what is on disk.
func (v *vault) load(ctx context.Context, names ...string) (values [][]byte, err error) {
	err = v.try(ctx, func() (err error) {
		values, err = v.state.Load(ctx, names...)
		return err
	})
	if c, ok := ctx.Value(changeKey{}).(*change); ok && err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, name := range names {
			if k, changed := c.kept[name]; changed {
				values[i] = k.Value
			}
		}
	}
	return values, err
}

func (v *vault) get(ctx context.Context, name string) ([]byte, error) {
	values, err := v.load(ctx, name)
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// list returns what is on disk under names with the prefix.
func (v *vault) list(ctx context.Context, prefix string) (all []channel.Kept, err error) {
	err = v.try(ctx, func() (err error) {
		all, err = v.state.List(ctx, prefix)
		return err
	})
	return all, err
}

// putJSON keeps a value as JSON.
func (v *vault) putJSON(ctx context.Context, name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return v.put(ctx, name, raw)
}

// getJSON reads a value, and reports whether there is one.
func (v *vault) getJSON(ctx context.Context, name string, into any) (bool, error) {
	raw, err := v.get(ctx, name)
	if err != nil || raw == nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return true, nil
}

var errLength = errors.New("a kept key has the wrong length")

// key32 reads a key.
func key32(raw []byte) (key [32]byte, err error) {
	if len(raw) != len(key) {
		return key, errLength
	}
	copy(key[:], raw)
	return key, nil
}
