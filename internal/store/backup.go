package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the database to a new file, while servers run. Of either engine it is a file of SQLite,
// and can be restored into either. The master key is not in it.
func Backup(ctx context.Context, at Place, file string) (err error) {
	if _, err := os.Stat(at.file()); err != nil && at.Database == "" {
		return fmt.Errorf("there is no database in %s: %w", at.Dir, err)
	}
	// The empty file is the copy's place: nobody else's to read, and nobody else's to take.
	place, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; a backup overwrites nothing", file)
	}
	if err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file)
			_ = os.Remove(file + "-journal")
		}
	}()
	if err := place.Close(); err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	if err := copyInto(ctx, at, file); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	if err := errors.Join(syncFile(file), syncFile(filepath.Dir(file))); err != nil {
		return fmt.Errorf("sync the backup: %w", err)
	}
	if err := checkCopy(ctx, file); err != nil {
		return err
	}
	return noteBackup(at.Dir)
}

// copyInto fills an empty file with what is in the database at one moment.
func copyInto(ctx context.Context, at Place, file string) (err error) {
	if at.Database == "" {
		return vacuumInto(ctx, at.file(), file)
	}
	source, err := atURL(at.Database)
	if err != nil {
		return err
	}
	from, err := openSource(ctx, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := openTarget(ctx, place{file: file})
	if err != nil {
		return err
	}
	return errors.Join((&mover{from: from, to: to}).run(ctx), to.close())
}

func vacuumInto(ctx context.Context, database, file string) error {
	db, err := sql.Open("sqlite", dsn(database, []string{"busy_timeout(60000)", "temp_store(2)"}))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", file)
	return errors.Join(err, db.Close())
}

// Restore puts a backup in the place of a stopped server's database. SQLite's old one stays beside it with the suffix .old: at
// every moment one of the two is in place, whole. On PostgreSQL the backup goes into a new database.
func Restore(ctx context.Context, at Place, file string) (err error) {
	if err := checkCopy(ctx, file); err != nil {
		return err
	}
	if at.Database != "" {
		return restorePostgres(ctx, at, file)
	}
	l, err := takeFolder(at.Dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.release()) }()
	path := at.file()
	fresh := path + ".new"
	if err := copyFile(fresh, file); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	if err := putAside(ctx, path); err != nil {
		return fmt.Errorf("put the old database aside: %w", err)
	}
	return errors.Join(os.Rename(fresh, path), syncFile(at.Dir))
}

// restorePostgres fills a new database. One that is in use is never touched: the operator makes another and sets database to it.
func restorePostgres(ctx context.Context, at Place, file string) (err error) {
	target, err := atURL(at.Database)
	if err != nil {
		return err
	}
	from, err := openBackup(ctx, file)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer func() { err = errors.Join(err, from.close()) }()
	return copyHeld(ctx, from, target, nil, nil)
}

// putAside gives a database a second name, and its log, if one is left, that name alone: the log of the old database must
// never meet the new one.
func putAside(ctx context.Context, path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + ".old" + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	foldLog(ctx, path)
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+".old"+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Link(path, path+".old")
}

// foldLog writes the log into the database if it still can; a damaged one keeps its log.
func foldLog(ctx context.Context, path string) {
	db, err := sql.Open("sqlite", dsn(path, nil))
	if err != nil {
		return
	}
	_, _ = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	_ = db.Close()
}

// checkCopy opens a copy and looks at every page.
func checkCopy(ctx context.Context, file string) error {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(file, []string{"query_only(1)"})+"&mode=ro")
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer func() { _ = db.Close() }()
	var verdict, seal string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("%s is no backup: %w", file, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", file, verdict)
	}
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seal'").Scan(&seal); err != nil {
		return fmt.Errorf("%s is no backup of Tidings", file)
	}
	if err := refuseHalfMoved(ctx, db); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
