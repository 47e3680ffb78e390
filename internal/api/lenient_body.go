package api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/fault"
)

// slowest is how fast, in bytes a second, a body with a file must come at least.
const slowest = 256 << 10

// readLenient reads the members of a body, and hands its files over.
func (v *visit) readLenient(r *http.Request, m members, files []File) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return fault.New(fault.MalformedBody, "a compressed body is not taken")
	}
	most := v.entry.body
	for _, f := range files {
		most += f.Most / 2 * 3 // base64 makes 4 of 3, and JSON may write / as \/
	}
	if r.ContentLength > most {
		v.Header().Set("Connection", "close")
		return tooLarge(most)
	}
	if len(files) > 0 {
		v.allowTime(r.ContentLength)
	}
	var text io.Reader = http.MaxBytesReader(v.ResponseWriter, r.Body, most)
	if r.Header.Get(idempotencyKey) != "" {
		sum := sha256.New()
		text = io.TeeReader(text, sum)
		defer func() { v.know(r, sum) }()
	}
	s := &sieve{in: bufio.NewReaderSize(text, 32<<10), files: files, room: v.entry.body}
	err := s.read(r.Header.Get("Content-Type"), m)
	if err != nil && fault.Of(err) == nil {
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			return tooLarge(most)
		}
		if errors.Is(err, errRoom) {
			v.Header().Set("Connection", "close")
			return tooLarge(v.entry.body)
		}
	}
	if err != nil {
		v.Header().Set("Connection", "close") // some of the body may not have been read
	}
	return err
}

// allowTime moves the time by which the body must be there, and the reply with it, to what its size needs.
func (v *visit) allowTime(size int64) {
	if size <= 0 {
		return
	}
	wait := time.Duration(size/slowest) * time.Second
	c := http.NewResponseController(v.ResponseWriter)
	now := time.Now()
	_ = c.SetReadDeadline(now.Add(30*time.Second + wait))
	_ = c.SetWriteDeadline(now.Add(60*time.Second + wait))
}

// errRoom ends a body that has more besides its files than its route allows.
var errRoom = errors.New("no room for more")

// sieve reads a body and lets the files in it through to who takes them; all else must fit into its room.
type sieve struct {
	in    *bufio.Reader
	files []File
	room  int64
}

// read reads a body. What begins like an object is JSON, whatever it is called: curl -d calls everything a form.
func (s *sieve) read(contentType string, m members) error {
	first, err := s.first()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return broken(err)
	}
	kind, params, _ := mime.ParseMediaType(contentType)
	switch {
	case first != '{' && kind == "application/x-www-form-urlencoded":
		return s.form(m)
	case kind == "multipart/form-data":
		return s.parts(multipart.NewReader(s.in, params["boundary"]), m)
	}
	return s.object(m)
}

// first is the first byte that is no space; it stays to be read.
func (s *sieve) first() (byte, error) {
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, s.in.UnreadByte()
		}
	}
}

// file is the file field of the name, if it is one.
func (s *sieve) file(name string) (File, bool) {
	i := slices.IndexFunc(s.files, func(f File) bool { return f.Field == name })
	if i < 0 {
		return File{}, false
	}
	return s.files[i], true
}

// keep takes up room.
func (s *sieve) keep(b *bytes.Buffer, c byte) error {
	if s.room--; s.room < 0 {
		return errRoom
	}
	return b.WriteByte(c)
}

// broken is the fault of a body that ends too early. A limit that was met stays what it is.
func broken(err error) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over || fault.Of(err) != nil || errors.Is(err, errRoom) {
		return err
	}
	return fault.New(fault.MalformedBody, "the body did not arrive whole")
}

// object reads a JSON object. Strings of file fields are handed over, and an empty one stands in their place; encoding/json looks at
// the rest.
func (s *sieve) object(m members) error {
	var rest bytes.Buffer
	var name string
	depth, value := 0, false
	for {
		c, err := s.in.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		if err := s.keep(&rest, c); err != nil {
			return err
		}
		switch c {
		case '{', '[':
			depth, value = depth+1, false
		case '}', ']':
			depth--
		case ':':
			value = true
		case ',':
			value = false
		case '"':
			f, isFile := s.file(name)
			if isFile && depth == 1 && value {
				if err := s.fileString(f, &rest); err != nil {
					return err
				}
				continue
			}
			began := rest.Len() - 1
			if err := s.literal(&rest); err != nil {
				return err
			}
			if depth == 1 && !value {
				name = ""
				_ = json.Unmarshal(rest.Bytes()[began:], &name)
			}
		}
	}
	return readObject(rest.Bytes(), m)
}

func readObject(text []byte, m members) error {
	if !utf8.Valid(text) {
		return fault.New(fault.MalformedBody, "the body is not UTF-8")
	}
	var object members
	if err := json.Unmarshal(text, &object); err != nil {
		return fault.New(fault.MalformedBody, "the body is not a JSON object")
	}
	for name, value := range object {
		m[name] = value
	}
	return nil
}

// literal copies a string to its end.
func (s *sieve) literal(into *bytes.Buffer) error {
	for escaped := false; ; {
		c, err := s.in.ReadByte()
		if err != nil {
			return broken(err)
		}
		if err := s.keep(into, c); err != nil {
			return err
		}
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return nil
		}
	}
}

// fileString hands a string over. Who takes it reads it to its end, or fails.
func (s *sieve) fileString(f File, rest *bytes.Buffer) error {
	if err := f.take(&jsonText{in: s.in}); err != nil {
		return err
	}
	return s.keep(rest, '"')
}

// jsonText gives the bytes of a JSON string whose quote was read. What is not ASCII is no base64 either, and is given as it stands.
type jsonText struct {
	in    *bufio.Reader
	ended bool
}

// ReadByte implements io.ByteReader.
func (t *jsonText) ReadByte() (byte, error) {
	if t.ended {
		return 0, io.EOF
	}
	c, err := t.in.ReadByte()
	switch {
	case err != nil:
		return 0, broken(err)
	case c == '"':
		t.ended = true
		return 0, io.EOF
	case c == '\\':
		return t.escape()
	}
	return c, nil
}

func (t *jsonText) escape() (byte, error) {
	c, err := t.in.ReadByte()
	if err != nil {
		return 0, broken(err)
	}
	switch c {
	case 'n', 'r', 't':
		return '\n', nil
	case 'u':
		var four [4]byte
		if _, err := io.ReadFull(t.in, four[:]); err != nil {
			return 0, broken(err)
		}
		if string(four[:2]) != "00" {
			return noLetter, nil
		}
		return octet(four[2:]), nil
	}
	return c, nil
}

// form reads a form as URLs have it (application/x-www-form-urlencoded).
func (s *sieve) form(m members) error {
	all := url.Values{}
	for {
		var pair bytes.Buffer
		last, err := s.until(&pair, "=&")
		if err != nil {
			return err
		}
		name, err := url.QueryUnescape(pair.String())
		if err != nil {
			return fault.New(fault.MalformedBody, "the body is not a form")
		}
		if f, ok := s.file(name); ok && last == '=' {
			text := &formText{in: s.in}
			if err := f.take(text); err != nil {
				return err
			}
			last = text.last
		} else if last == '=' {
			var value bytes.Buffer
			if last, err = s.until(&value, "&"); err != nil {
				return err
			}
			text, err := url.QueryUnescape(value.String())
			if err != nil || !utf8.ValidString(text) {
				return fault.New(fault.MalformedBody, "the body is not a form")
			}
			all.Add(name, text)
		}
		if last == 0 {
			m.putAll(all)
			return nil
		}
	}
}

// until copies up to one of the letters and returns it; 0 is the end.
func (s *sieve) until(into *bytes.Buffer, stop string) (byte, error) {
	for {
		c, err := s.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, broken(err)
		}
		if strings.IndexByte(stop, c) >= 0 {
			return c, nil
		}
		if err := s.keep(into, c); err != nil {
			return 0, err
		}
	}
}

// formText gives the bytes of one value of a form. A plus stays one: whoever forgot to escape it meant it.
type formText struct {
	in   *bufio.Reader
	last byte // what ended it: & or, at the end, 0
	done bool
}

// ReadByte implements io.ByteReader.
func (t *formText) ReadByte() (byte, error) {
	if t.done {
		return 0, io.EOF
	}
	c, err := t.in.ReadByte()
	switch {
	case errors.Is(err, io.EOF):
		t.done = true
		return 0, io.EOF
	case err != nil:
		return 0, broken(err)
	case c == '&':
		t.done, t.last = true, c
		return 0, io.EOF
	case c != '%':
		return c, nil
	}
	var two [2]byte
	if _, err := io.ReadFull(t.in, two[:]); err != nil {
		return 0, broken(err)
	}
	return octet(two[:]), nil
}

// noLetter is no letter of base64.
const noLetter = 0xff

// octet is what two hexadecimal digits stand for; noLetter when they are none.
func octet(digits []byte) byte {
	if code, err := hex.DecodeString(string(digits)); err == nil {
		return code[0]
	}
	return noLetter
}

// parts reads a form in parts (multipart/form-data).
func (s *sieve) parts(in *multipart.Reader, m members) error {
	all := url.Values{}
	for {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			m.putAll(all)
			return nil
		}
		if err != nil {
			return broken(err)
		}
		if f, ok := s.file(part.FormName()); ok {
			if err := f.take(bufio.NewReader(part)); err != nil {
				return err
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, s.room+1))
		if err != nil {
			return broken(err)
		}
		if s.room -= int64(len(value)); s.room < 0 {
			return errRoom
		}
		if !utf8.Valid(value) {
			return fault.New(fault.MalformedBody, "the body is not UTF-8")
		}
		all.Add(part.FormName(), string(value))
	}
}
