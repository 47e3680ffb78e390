package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/fault"
)

// lock keeps a second server out of the data folder. The system drops it when the process dies.
type lock struct{ file *os.File }

// networkFS are file systems on which locks and syncs cannot be relied upon (statfs(2), f_type).
var networkFS = map[int64]string{0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x01021997: "9p"}

func takeFolder(dir string, exclusive bool) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("look at the data folder: %w", err)
	}
	if name, bad := networkFS[int64(st.Type)]; bad {
		return nil, fmt.Errorf("%s is on %s: SQLite can be damaged there; use a local disk", dir, name)
	}
	if !exclusive {
		return &lock{}, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "tidings.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another tidings serves from %s", dir), f.Close())
	}
	_ = f.Truncate(0)
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return &lock{f}, nil
}

func (l *lock) release() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

const (
	reserveSize = 32 << 20
	diskRetry   = 30 * time.Second
)

// disk watches the free space. Below the floor nothing new is accepted, while sends, receipts and deletions go on; a
// file kept in reserve gives them room when the disk is full to the last byte.
type disk struct {
	dir   string
	floor int64
	keep  bool
	low   atomic.Bool
}

func openDisk(dir string, floor int64, keepReserve bool) (*disk, error) {
	d := &disk{dir: dir, floor: floor, keep: keepReserve && floor > 0}
	d.look()
	return d, nil
}

func (d *disk) reserve() string { return filepath.Join(d.dir, "reserve") }

// look measures the free space and, when there is plenty, puts the reserve back.
func (d *disk) look() {
	var st unix.Statfs_t
	if d.floor <= 0 || unix.Statfs(d.dir, &st) != nil {
		return
	}
	free := int64(st.Bavail) * st.Bsize
	d.low.Store(free < d.floor)
	if d.keep && free > d.floor+2*reserveSize {
		d.fillReserve()
	}
}

func (d *disk) fillReserve() {
	if st, err := os.Stat(d.reserve()); err == nil && st.Size() == reserveSize {
		return
	}
	f, err := os.OpenFile(d.reserve(), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	if unix.Fallocate(int(f.Fd()), 0, 0, reserveSize) != nil {
		_ = os.Remove(d.reserve())
	}
	_ = f.Close()
}

// useReserve gives the reserve back to the disk; false when it is used up.
func (d *disk) useReserve() bool {
	d.low.Store(true)
	return os.Remove(d.reserve()) == nil
}

func (d *disk) accepting() error {
	if !d.low.Load() {
		return nil
	}
	return fault.New(fault.DiskFull, "the disk is below its floor; nothing new is accepted until space is freed").After(diskRetry)
}
