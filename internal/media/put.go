package media

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

const (
	maxName   = 255 // bytes of a file's name
	keepRetry = 5 * time.Second
)

// Put keeps a file and its row, then answers. kind is the content that it is for, whose limits it must keep to; empty: any, so that it
// may be as large as a document.
func (k *Keeper) Put(ctx context.Context, a account.ID, r io.Reader, name string, kind message.Type) (message.Media, error) {
	f, err := k.Take(ctx, a, r, name, kind)
	if err != nil {
		return message.Media{}, err
	}
	err = k.Store.Write(func(tx *store.Tx) (err error) {
		f, err = k.Add(tx, f)
		return err
	})
	return f.Media, err
}

// Take keeps the bytes of a file that has no row yet: Add makes it. Without one they are swept away later.
func (k *Keeper) Take(ctx context.Context, a account.ID, r io.Reader, name string, kind message.Type) (File, error) {
	f := File{Media: message.Media{Name: cleanName(name)}, Account: a, Kind: kind, State: Kept, Origin: Upload}
	err := k.save(ctx, &f, func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
	return f, err
}

// Add gives a file that was taken its row.
func (k *Keeper) Add(tx *store.Tx, f File) (File, error) {
	f.ID, f.Name, f.Expires = message.MediaID(tx.NewID()), cleanName(f.Name), k.until(tx.Now())
	return f, k.insert(tx, rowOf(f))
}

func (k *Keeper) insert(tx *store.Tx, row addMediaParams) error {
	if err := store.Run(tx, addMedia, []addMediaParams{row}); err != nil {
		return fmt.Errorf("store a file's row: %w", err)
	}
	return nil
}

// save keeps what write writes as the file's bytes, and notes what they are. They are on disk under their name when it returns.
func (k *Keeper) save(ctx context.Context, f *File, write func(w io.Writer) error) (err error) {
	if err := k.Store.Healthy(); err != nil {
		return err
	}
	s, err := k.spool(f)
	if err != nil {
		return k.cannot(ctx, err)
	}
	defer func() { err = errors.Join(err, s.discard()) }()
	if err := write(s); err != nil {
		if s.refused != nil {
			return s.refused
		}
		return err
	}
	if s.size == 0 {
		return fault.New(fault.EmptyMedia, "the file has no bytes")
	}
	if err := s.describe(f); err != nil {
		return err
	}
	if f.Kind != "" && f.Origin != Arrived {
		if err := k.Limits.Check(f.Kind, f.Media); err != nil {
			return err
		}
	}
	f.file = strings.ToLower(rand.Text())
	if err := k.blobs.put(ctx, f.file, s.file, s.size, f.MIME); err != nil {
		return k.cannot(ctx, fmt.Errorf("keep a file: %w", err))
	}
	k.meters.took(f.Origin, f.Size)
	return nil
}

// cannot says that files cannot be kept now, which is of the moment: who wants to keep one tries again. Why is the operator's to know.
func (k *Keeper) cannot(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	k.Log.Error("cannot keep files", "err", err)
	return fault.New(fault.NotReady, "files cannot be kept at this moment").After(keepRetry)
}

// spool is a file that is being written beside the others. What is over its limit is refused while it comes.
type spool struct {
	file    *os.File
	sum     hash.Hash
	size    int64
	limit   int64
	refused error // what is said when there is more
}

func (k *Keeper) spool(f *File) (*spool, error) {
	limit := k.Limits.Of(f.Kind)
	if f.Origin == Arrived { // networks have limits of their own
		limit = k.Limits.Most()
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of files: %w", err)
	}
	file, err := os.CreateTemp(k.Dir, temporary+"*")
	if err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	return &spool{file: file, sum: sha256.New(), limit: limit}, nil
}

// Write takes more of the file.
func (s *spool) Write(p []byte) (int, error) {
	if s.size+int64(len(p)) > s.limit {
		s.refused = fault.New(fault.MediaTooLarge, "the file has more than %d bytes", s.limit)
		return 0, s.refused
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	s.sum.Write(p[:n])
	return n, err
}

// describe notes what the bytes are.
func (s *spool) describe(f *File) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a new file: %w", err)
	}
	rest := bufio.NewReaderSize(s.file, headSize)
	head, err := rest.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read a new file: %w", err)
	}
	f.Size, f.SHA256, f.MIME = s.size, hex.EncodeToString(s.sum.Sum(nil)), sniff(head)
	if f.Origin != Arrived || f.Width == 0 { // else the network has said it
		f.Width, f.Height = pixels(f.MIME, rest)
	}
	return nil
}

// discard removes what is left under the temporary name.
func (s *spool) discard() error {
	err := s.file.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if gone := os.Remove(s.file.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// cleanName is the last part of a file's name, without what no name has.
func cleanName(name string) string {
	name = strings.ToValidUTF8(strings.ReplaceAll(name, `\`, "/"), "")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, path.Base("/"+name))
	if name == "/" || name == "." || name == ".." {
		return ""
	}
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.TrimSpace(name)
}
