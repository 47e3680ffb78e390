package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// blobs is where the bytes of files are. An error of open is fs.ErrNotExist when there are none of the name.
type blobs interface {
	// put keeps the bytes of a file that is written to its end. They are safe when it returns.
	put(ctx context.Context, name string, from *os.File, size int64, mime string) error
	open(ctx context.Context, name string) (io.ReadSeekCloser, error)
	remove(ctx context.Context, name string) error
	// each calls f for every name that was there before a time.
	each(ctx context.Context, before time.Time, f func(name string) error) error
}

// temporary is how the names of files begin that are being written.
const temporary = "tmp-"

// folder is blobs on a disk.
type folder struct{ dir string }

func (d folder) path(name string) string { return filepath.Join(d.dir, name) }

// put renames the file once its bytes are on disk: under its name it is whole, or it is not there.
func (d folder) put(_ context.Context, name string, from *os.File, _ int64, _ string) error {
	if err := from.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := os.Rename(from.Name(), d.path(name)); err != nil {
		return err
	}
	return syncFolder(d.dir)
}

// syncFolder has the names in a folder on disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d folder) open(_ context.Context, name string) (io.ReadSeekCloser, error) {
	return os.Open(d.path(name))
}

func (d folder) remove(_ context.Context, name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d folder) each(ctx context.Context, before time.Time, f func(name string) error) error {
	return walk(ctx, d.dir, before, func(name string) error {
		if strings.HasPrefix(name, temporary) {
			return nil
		}
		return f(name)
	})
}

// walk calls f for every file of a folder that was last written before a time.
func walk(ctx context.Context, dir string, before time.Time, f func(name string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list files: %w", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) {
			continue
		}
		if err := f(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
