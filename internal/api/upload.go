package api

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"time"

	"tidings.dev/internal/fault"
)

// formRoom is what a form may have around its file.
const formRoom = 64 << 10

// pieceTime is how long one piece of an upload may take: a large file may take long, a sender that says nothing may not.
const pieceTime = time.Minute

// HandleFile is Handle for a request whose body is a file of at most so many bytes, or a form with one. Upload reads it.
func (k *Kit) HandleFile(pattern string, most int64, h Handler) { k.handle(pattern, most+formRoom, h) }

// Upload hands the file of the request's body to take while it arrives, with the name that it has: the whole body, or the first file of a
// form (RFC 7578). Its error is the caller's fault where reading failed.
func Upload(r *http.Request, take func(content io.Reader, name string) error) error {
	v := visitOf(r)
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return fault.New(fault.MalformedBody, "a compressed body is not taken")
	}
	if r.ContentLength > v.entry.body {
		v.Header().Set("Connection", "close")
		return tooLarge(v.entry.body)
	}
	u := &uploading{body: http.MaxBytesReader(v.ResponseWriter, r.Body, v.entry.body), deadline: http.NewResponseController(v.ResponseWriter), sum: sha256.New()}
	r.Body = u
	content, name, err := fileOf(r)
	if err == nil {
		err = take(content, name)
	}
	if err != nil {
		return u.explain(v, err)
	}
	if r.Header.Get(idempotencyKey) != "" {
		_, _ = io.Copy(io.Discard, u) // what is behind the file counts too
		v.know(r, u.sum)
	}
	return nil
}

// fileOf is the file of a body, and its name.
func fileOf(r *http.Request) (content io.Reader, name string, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return r.Body, "", nil //nolint:nilerr // whatever it is said to be, its bytes tell
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, "", fault.New(fault.MalformedBody, "the form has no boundary")
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, "", fault.New(fault.MissingField, "the form has no file").In("file")
		}
		if err != nil {
			return nil, "", err
		}
		if part.FormName() == "file" || part.FileName() != "" {
			name = part.FileName()
			return part, name, nil
		}
	}
}

// uploading is a body on its way in.
type uploading struct {
	body     io.ReadCloser
	deadline *http.ResponseController
	sum      hash.Hash
	err      error // why no more came
}

// Read implements io.Reader.
func (u *uploading) Read(p []byte) (int, error) {
	_ = u.deadline.SetReadDeadline(time.Now().Add(pieceTime)) // where there is none, none ends
	n, err := u.body.Read(p)
	u.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (u *uploading) Close() error { return u.body.Close() }

// explain says why an upload failed in words for its sender.
func (u *uploading) explain(v *visit, err error) error {
	if _, over := errors.AsType[*http.MaxBytesError](u.err); over {
		return tooLarge(v.entry.body)
	}
	if u.err != nil || errors.Is(err, io.ErrUnexpectedEOF) && fault.Of(err) == nil {
		v.Header().Set("Connection", "close")
		return fault.New(fault.MalformedBody, "the body did not arrive whole")
	}
	if fault.Of(err) != nil {
		v.Header().Set("Connection", "close") // nobody reads the rest
	}
	return err
}
