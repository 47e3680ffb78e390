// Package media keeps the files that messages carry: their bytes under random names on disk or in S3, and a row for each that says
// whose it is. Bytes are on disk before their row says so, and go after it.
package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/guard"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

// State is how far a file is.
type State int16

// The states. The numbers are stored.
const (
	Pending State = 1 // it is still to be fetched
	Kept    State = 2
	Failed  State = 3 // it could not be fetched
	Gone    State = 4 // whoever had it has it no more
)

var states = map[State]string{Pending: "pending", Kept: "kept", Failed: "failed", Gone: "gone"}

// String is the state in the words of the native API.
func (s State) String() string { return states[s] }

// Origin is where a file comes from.
type Origin string

// The origins.
const (
	Upload  Origin = "upload"  // somebody gave us its bytes
	Linked  Origin = "url"     // it is fetched from an address that somebody gave
	Arrived Origin = "message" // it came in with a message
)

// File is what is known of a file.
type File struct {
	message.Media
	Account account.ID
	Kind    message.Type // whose limits it must keep to; empty: those of documents
	State   State
	Origin  Origin
	Reason  string     // why it failed or is gone
	Message message.ID // that it came in with
	Expires time.Time  // zero: never
	source  string     // sealed
	file    string
}

// Settings are what an operator may choose.
type Settings struct {
	Dir    string        // folder of the files, and of those that are just being written
	Bucket *Bucket       // where the files are instead; nil: in Dir
	Keep   time.Duration // files; 0: for ever
	Link   time.Duration // how long a signed link is good
	Limits Limits
}

// Config is what the keeper is made of.
type Config struct {
	Settings
	Store   *store.Store
	Guard   *guard.Client // to addresses that customers give; its cap is above all limits
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

// Keeper keeps the files of all accounts.
type Keeper struct {
	Config
	blobs    blobs
	meters   meters
	base     string // how the world reaches this server
	removals removals
	mu       sync.Mutex
	fetching map[message.MediaID]chan struct{} // closed when it is over
}

// New returns the keeper. It makes its folder with the first file.
func New(c Config) (*Keeper, error) {
	k := &Keeper{Config: c, blobs: folder{c.Dir}, meters: newMeters(c.Metrics), fetching: map[message.MediaID]chan struct{}{}}
	k.removals.bell = make(chan struct{}, 1)
	if c.Log == nil {
		k.Log = slog.Default()
	}
	if c.Bucket != nil {
		b, err := openBucket(*c.Bucket)
		if err != nil {
			return nil, err
		}
		k.blobs = b
	}
	return k, nil
}

// Serves says how the world reaches this server; links begin with it. It is called before any link is made.
func (k *Keeper) Serves(base string) { k.base = base }

// Get returns a file of the account. fault.NotHere for any other.
func (k *Keeper) Get(ctx context.Context, a account.ID, id message.MediaID) (File, error) {
	r, err := on(k.Store.Reader()).MediaByID(ctx, mediaByIDParams{ID: id})
	if store.NoRows(err) || err == nil && r.AccountID != a {
		return File{}, notHere(id)
	}
	if err != nil {
		return File{}, fmt.Errorf("read a file's row: %w", err)
	}
	return fileOf(r), nil
}

func notHere(id message.MediaID) *fault.Fault {
	return fault.New(fault.NotHere, "there is no file %s", id)
}

// Of tells about files whoever they are of, in their order; one that is no more is Gone.
func (k *Keeper) Of(ctx context.Context, ids ...message.MediaID) ([]File, error) {
	files := make([]File, len(ids))
	for i, id := range ids {
		r, err := on(k.Store.Reader()).MediaByID(ctx, mediaByIDParams{ID: id})
		switch {
		case store.NoRows(err):
			files[i] = File{Media: message.Media{ID: id}, State: Gone}
		case err != nil:
			return nil, fmt.Errorf("read a file's row: %w", err)
		default:
			files[i] = fileOf(r)
		}
	}
	return files, nil
}

// List returns files of the account before the given one (zero: from the newest), newest first.
func (k *Keeper) List(ctx context.Context, a account.ID, before message.MediaID, page int) ([]File, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := on(k.Store.Reader()).ListMedia(ctx, listMediaParams{AccountID: a, Before: before, Page: int64(page)})
	return filesOf(rows, err)
}

// After returns files of the account between two, oldest first.
func (k *Keeper) After(ctx context.Context, a account.ID, after, before message.MediaID, page int) ([]File, error) {
	rows, err := on(k.Store.Reader()).NextMedia(ctx, nextMediaParams{AccountID: a, After: after, Before: before, Page: int64(page)})
	return filesOf(rows, err)
}

func filesOf(rows []mediumRecord, err error) ([]File, error) {
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	files := make([]File, len(rows))
	for i, r := range rows {
		files[i] = fileOf(r)
	}
	return files, nil
}

// Open returns the bytes of a file. fault.NotHere when they are not kept, or not any more.
func (k *Keeper) Open(ctx context.Context, id message.MediaID) (io.ReadCloser, error) {
	_, content, err := k.read(ctx, id)
	return content, err
}

// Read returns a file of the account with its bytes.
func (k *Keeper) Read(ctx context.Context, a account.ID, id message.MediaID) (File, io.ReadSeekCloser, error) {
	if _, err := k.Get(ctx, a, id); err != nil {
		return File{}, nil, err
	}
	return k.read(ctx, id)
}

func (k *Keeper) read(ctx context.Context, id message.MediaID) (File, io.ReadSeekCloser, error) {
	files, err := k.Of(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	f := files[0]
	if f.State != Kept {
		return f, nil, fault.New(fault.NotHere, "the bytes of file %s are not kept: it is %s", id, f.State)
	}
	content, err := k.blobs.open(ctx, f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, fault.New(fault.NotHere, "the bytes of file %s are no more", id)
	}
	if err != nil {
		return f, nil, fmt.Errorf("open file %s: %w", id, err)
	}
	return f, content, nil
}

func fileOf(r mediumRecord) File {
	f := File{
		Media: message.Media{
			ID: r.ID, MIME: r.Mime, Name: r.Name, Size: r.Size, SHA256: r.Sha256, Width: int(r.Width), Height: int(r.Height), Seconds: int(r.Seconds),
		},
		Account: r.AccountID, Kind: message.Type(r.Kind), State: State(r.State), Origin: Origin(r.Origin), Reason: r.Reason,
		Message: r.MessageID, source: r.Source, file: r.File,
	}
	if r.ExpiresAt > 0 {
		f.Expires = time.UnixMilli(r.ExpiresAt).UTC()
	}
	return f
}

func rowOf(f File) addMediaParams {
	r := addMediaParams{
		ID: f.ID, AccountID: f.Account, Kind: string(f.Kind), State: int16(f.State), Origin: string(f.Origin), Source: f.source, File: f.file,
		Mime: f.MIME, Name: f.Name, Size: f.Size, Sha256: f.SHA256, Width: int64(f.Width), Height: int64(f.Height), Seconds: int64(f.Seconds),
		MessageID: f.Message,
	}
	if !f.Expires.IsZero() {
		r.ExpiresAt = f.Expires.UnixMilli()
	}
	return r
}

// until is when a file ends that is new.
func (k *Keeper) until(now time.Time) time.Time {
	if k.Keep <= 0 {
		return time.Time{}
	}
	return now.Add(k.Keep)
}
