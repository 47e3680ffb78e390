package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the database to a new file, while the server runs. The master key is not in it.
func Backup(ctx context.Context, dir, file string) error {
	if _, err := os.Stat(filepath.Join(dir, "tidings.db")); err != nil {
		return fmt.Errorf("there is no database in %s: %w", dir, err)
	}
	if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s exists; a backup overwrites nothing", file)
	}
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "tidings.db"), []string{"busy_timeout(60000)"}))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	return errors.Join(os.Chmod(file, 0o600), syncFile(file), checkCopy(ctx, file))
}

// Restore puts a backup in the place of a stopped server's database. The old one stays beside it with the suffix .old.
func Restore(ctx context.Context, dir, file string) (err error) {
	if err := checkCopy(ctx, file); err != nil {
		return err
	}
	l, err := takeFolder(dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.release()) }()
	path := filepath.Join(dir, "tidings.db")
	fresh := path + ".new"
	if err := copyFile(fresh, file); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+".old"+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("put the old database aside: %w", err)
		}
	}
	return errors.Join(os.Rename(fresh, path), syncFile(dir))
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
	var verdict, boots string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("%s is no backup: %w", file, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged: %s", file, verdict)
	}
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seal'").Scan(&boots); err != nil {
		return fmt.Errorf("%s is no backup of Tidings", file)
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
