package whatsapp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
)

// How long a file may be on its way: longer when it is larger.
const (
	transferLeast  = 2 * time.Minute
	transferMost   = time.Hour
	transferSlowly = 64 << 10 // bytes in a second
)

// transferTime is when the transfer of a file is given up. Its size may be what its writer says.
func transferTime(size int64) time.Duration {
	seconds := min(max(size, 0)/transferSlowly, int64(transferMost/time.Second))
	return min(transferLeast+time.Duration(seconds)*time.Second, transferMost)
}

// reuploadTime is how long the phone is given to hand a file over again.
const reuploadTime = 30 * time.Second

// Fetch gets the file of a message that came in. One that the network has no more is asked of the phone.
func (s *session) Fetch(ctx context.Context, by []byte, into io.Writer) error {
	var src source
	if err := json.Unmarshal(by, &src); err != nil {
		return &channel.Failure{Verdict: channel.Reject, Code: "media_gone", Err: err}
	}
	file, err := os.CreateTemp("", "tidings-media-*")
	if err != nil {
		return fmt.Errorf("make room for a file: %w", err)
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	err = s.download(ctx, src, file)
	if isGone(err) {
		if src.Path, err = s.askPhone(ctx, src); err == nil {
			err = s.download(ctx, src, file)
		}
	}
	if err != nil {
		return fetchFailure(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a file: %w", err)
	}
	if _, err := io.Copy(into, file); err != nil {
		return fmt.Errorf("hand a file over: %w", err)
	}
	return nil
}

// download gets the file by its path: the address in the message is its writer's, and may lead anywhere.
func (s *session) download(ctx context.Context, src source, file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, transferTime(int64(src.Size)))
	defer cancel()
	into := &landing{File: file, sealed: src.Sealed}
	err := s.client.DownloadMediaWithPathToFile(ctx, src.Path, src.Sealed, src.Plain, src.Key, src.Kind, "", false, into)
	if errors.Is(err, whatsmeow.ErrInvalidMediaHMAC) && !into.whole {
		return errNotWhole
	}
	return err
}

// errNotWhole says that the library has checked the seal of what is no whole file: it does so when all its tries to get one failed, and
// when an earlier try left something behind.
var errNotWhole = errors.New("the network did not hand the file over")

// landing is a file while it is fetched, and whether it has become what was sealed.
type landing struct {
	*os.File
	sealed []byte // its hash
	whole  bool
}

// ReadAt is called for the end of the file once all of it is there.
func (l *landing) ReadAt(p []byte, off int64) (int, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, io.NewSectionReader(l.File, 0, off+int64(len(p))))
	l.whole = err == nil && bytes.Equal(sum.Sum(nil), l.sealed)
	return l.File.ReadAt(p, off)
}

// isGone tells whether the network has the file no more.
func isGone(err error) bool {
	e, ok := errors.AsType[whatsmeow.DownloadHTTPError](err)
	return ok && (e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone)
}

var errPhoneSilent = errors.New("the phone has not handed the file over again")

// askPhone has the phone hand a file over again, and returns its new path.
func (s *session) askPhone(ctx context.Context, src source) (string, error) {
	answer := make(chan *events.MediaRetry, 1)
	if _, other := s.reupload.LoadOrStore(src.ID, answer); other {
		return "", errPhoneSilent // it is being asked
	}
	defer s.reupload.Delete(src.ID)
	info := &types.MessageInfo{ID: src.ID, MessageSource: types.MessageSource{Chat: src.Chat, Sender: src.Sender, IsFromMe: src.Own, IsGroup: src.Group}}
	if err := s.client.SendMediaRetryReceipt(ctx, info, src.Key); err != nil {
		return "", err
	}
	select {
	case e := <-answer:
		return newPath(e, src.Key)
	case <-time.After(reuploadTime):
		return "", errPhoneSilent
	case <-s.ctx.Done():
		return "", errPhoneSilent
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func newPath(e *events.MediaRetry, key []byte) (string, error) {
	said, err := whatsmeow.DecryptMediaRetryNotification(e, key)
	if err != nil {
		return "", err
	}
	if said.GetResult() != waMmsRetry.MediaRetryNotification_SUCCESS {
		return "", whatsmeow.ErrMediaNotAvailableOnPhone
	}
	return said.GetDirectPath(), nil
}

// reuploaded hands the phone's answer to who waits for it.
func (s *session) reuploaded(e *events.MediaRetry) {
	if waiting, ok := s.reupload.Load(e.MessageID); ok {
		select {
		case waiting.(chan *events.MediaRetry) <- e:
		default:
		}
	}
}

// fetchFailure says whether a file may still come.
func fetchFailure(err error) *channel.Failure {
	for _, final := range []error{
		whatsmeow.ErrMediaNotAvailableOnPhone, whatsmeow.ErrInvalidMediaHMAC, whatsmeow.ErrInvalidMediaEncSHA256, whatsmeow.ErrInvalidMediaSHA256,
		whatsmeow.ErrTooShortFile, whatsmeow.ErrNoURLPresent, whatsmeow.ErrUnknownMediaType,
	} {
		if errors.Is(err, final) {
			return &channel.Failure{Verdict: channel.Reject, Code: "media_gone", Err: err}
		}
	}
	return &channel.Failure{Verdict: channel.Retry, Code: "media_unreachable", Err: err}
}
