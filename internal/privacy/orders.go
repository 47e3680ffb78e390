package privacy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"tidings.dev/internal/account"
)

// order is an erasure as the data folder knows it. The address is sealed for the erasure's place.
type order struct {
	id      ErasureID
	account account.ID
	sealed  string
}

// orders is the file of all erasures that were begun on this server. It only grows, by a line each, and outlives a restored database.
type orders struct {
	dir string
	mu  sync.Mutex
}

const ordersFile = "erasures"

func (o *orders) path() string { return filepath.Join(o.dir, ordersFile) }

// keep writes an order to disk, unless it is there.
func (o *orders) keep(fresh order) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	have, err := o.all()
	if err != nil || have[fresh.id] != (order{}) {
		return err
	}
	f, err := os.OpenFile(o.path(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the erasures: %w", err)
	}
	// A line that a crash cut off is left alone: this one begins after it.
	_, err = fmt.Fprintf(f, "\n%d %d %s.\n", int64(fresh.id), int64(fresh.account), fresh.sealed)
	if err = errors.Join(err, f.Sync(), f.Close(), syncFolder(o.dir)); err != nil {
		return fmt.Errorf("write the erasures: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read returns all orders.
func (o *orders) read() ([]order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all, err := o.all()
	list := make([]order, 0, len(all))
	for _, a := range all {
		list = append(list, a)
	}
	return list, err
}

func (o *orders) all() (map[ErasureID]order, error) {
	text, err := os.ReadFile(o.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the erasures: %w", err)
	}
	all := map[ErasureID]order{}
	for line := range strings.Lines(string(text)) {
		if o, ok := parseOrder(line); ok {
			all[o.id] = o
		}
	}
	return all, nil
}

// parseOrder reads a line; a dot ends those that are whole.
func parseOrder(line string) (o order, ok bool) {
	line, whole := strings.CutSuffix(strings.TrimSpace(line), ".")
	fields := strings.Fields(line)
	if !whole || len(fields) != 3 {
		return o, false
	}
	which, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return o, false
	}
	whose, err := strconv.ParseInt(fields[1], 10, 64)
	return order{ErasureID(which), account.ID(whose), fields[2]}, err == nil
}
