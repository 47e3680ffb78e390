package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tidings.dev/internal/fault"
)

// lock keeps a second server out of the data folder. The system drops it when the process dies.
type lock struct{ file *os.File }

// networkFS are file systems on which locks and syncs cannot be relied upon (statfs(2), f_type).
var networkFS = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x01021997: "9p",
	0x00c36400: "Ceph", 0x5346414f: "AFS", 0x73757245: "Coda", 0x0bd00bd0: "Lustre",
}

// refuseNetwork refuses a folder by the type of its file system.
func refuseNetwork(dir string, fsType uint32) error {
	if name, bad := networkFS[fsType]; bad {
		return fmt.Errorf("%s is on %s: SQLite can be damaged there; use a local disk", dir, name)
	}
	return nil
}

func takeFolder(dir string, exclusive bool) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("look at the data folder: %w", err)
	}
	if err := refuseNetwork(dir, uint32(st.Type)); err != nil {
		return nil, err
	}
	if !exclusive {
		return &lock{}, nil
	}
	return takeLock(dir)
}

func takeLock(dir string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "tidings.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for range 5 { // a command may be looking at the lock just now
		if err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("another tidings serves from %s", dir), f.Close())
	}
	_ = f.Truncate(0)
	_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return &lock{f}, nil
}

// place names the locked file as no other is named while the machine runs. Whoever held the lock before is dead.
func (l *lock) place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(l.file.Fd()), &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%d/%d", strings.TrimSpace(string(boot)), st.Dev, st.Ino)
}

// served reports whether a server runs on the folder.
func served(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "tidings.lock"))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func (l *lock) release() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

const (
	reserveSize = 32 << 20
	leastFree   = 1 << 20 // the floor below all floors: a commit needs as much
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

func openDisk(dir string, floor int64, keepReserve bool) *disk {
	d := &disk{dir: dir, floor: floor, keep: keepReserve && floor > 0}
	d.look()
	return d
}

func (d *disk) reserve() string { return filepath.Join(d.dir, "reserve") }

// look measures the free space and, when there is plenty, puts the reserve back.
func (d *disk) look() {
	var st unix.Statfs_t
	if unix.Statfs(d.dir, &st) != nil {
		return
	}
	free := int64(st.Bavail) * st.Bsize
	d.low.Store(free < max(d.floor, leastFree))
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

// full notes that the disk took no more. The next look, within a second, knows better.
func (d *disk) full() { d.low.Store(true) }

// useReserve gives the reserve back to the disk; false when it is used up.
func (d *disk) useReserve() bool {
	d.full()
	return os.Remove(d.reserve()) == nil
}

func (d *disk) accepting() error {
	if !d.low.Load() {
		return nil
	}
	return fault.New(fault.DiskFull, "the disk is below its floor; nothing new is accepted until space is freed").After(diskRetry)
}
