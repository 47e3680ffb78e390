package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Examination is what a look at a database found. Nothing is changed by it.
type Examination struct {
	Served    bool          // a server runs on it
	Schema    int64         // the database's
	Newest    int64         // this program's
	Ahead     time.Duration // the database's clock before this machine's
	Key       error         // why the master key is not its own
	Integrity error         // what is wrong with its pages, or its settings
}

// ErrNoDatabase says that the first start has still to come.
var ErrNoDatabase = errors.New("there is no database yet")

// Examine looks at a database and its master key (empty: the data folder's) and changes nothing, whether a server runs or not.
func Examine(ctx context.Context, at Place, masterKey string) (x Examination, err error) {
	if _, err := os.Stat(at.file()); at.Database == "" && errors.Is(err, fs.ErrNotExist) {
		return x, ErrNoDatabase
	}
	where := place{file: at.file()}
	if at.Database != "" {
		if where, err = atURL(at.Database); err != nil {
			return x, err
		}
	}
	e, err := openSource(ctx, where)
	if err != nil {
		return x, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if x.Schema, err = e.version(ctx); err != nil {
		return x, err
	}
	if x.Newest, err = newestVersion(); err != nil {
		return x, err
	}
	x.Key = fits(ctx, e, at.Dir, masterKey)
	if e.postgres() {
		x.Served, x.Integrity = e.refuseServed(ctx) != nil, e.asPostgres().check(ctx)
		return x, e.ahead(ctx, &x.Ahead)
	}
	x.Served, x.Integrity = served(at.Dir), e.quickCheck(ctx)
	return x, nil
}

// asPostgres is the engine that would serve this end.
func (e *end) asPostgres() *postgresEngine {
	return &postgresEngine{store: &Store{log: slog.New(slog.DiscardHandler)}, db: e.db}
}

// fits tells why a master key is not the database's.
func fits(ctx context.Context, e *end, dir, key string) error {
	if _, err := os.Stat(filepath.Join(dir, masterKeyFile)); key == "" && err != nil {
		return fmt.Errorf("there is no master key: %w", err)
	}
	s, err := openSealer(dir, key)
	if err != nil {
		return err
	}
	var sealed string
	err = e.ask().QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seal'").Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the seal: %w", err)
	}
	if text, err := s.unseal("meta/seal", sealed); err != nil || text != sealCheck {
		return errWrongKey
	}
	return nil
}

// quickCheck looks at SQLite's pages for as long as ctx lives.
func (e *end) quickCheck(ctx context.Context) error {
	var verdict string
	if err := e.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if verdict != "ok" {
		return errors.New(verdict)
	}
	return nil
}

// ahead is how far PostgreSQL's clock is before ours, give or take the way there.
func (e *end) ahead(ctx context.Context, by *time.Duration) error {
	began := time.Now()
	var ms int64
	if err := e.conn.QueryRowContext(ctx, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)").Scan(&ms); err != nil {
		return fmt.Errorf("ask the database for the time: %w", err)
	}
	*by = time.UnixMilli(ms).Sub(began.Add(time.Since(began) / 2)).Round(time.Millisecond)
	return nil
}

// backupNote is a file in the data folder that says when a backup was made last.
const backupNote = "last-backup"

// noteBackup writes down that a backup was made, as far as the data folder can be written to.
func noteBackup(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, backupNote), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
}

// LastBackup is when `tidings backup` was last run with the data folder; false when nobody knows.
func LastBackup(dir string) (time.Time, bool) {
	text, err := os.ReadFile(filepath.Join(dir, backupNote))
	if err != nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	return at, err == nil
}
