package api

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"

	"tidings.dev/internal/fault"
)

// File is a field of a body that holds a file in base64.
type File struct {
	Field string
	Most  int64                 // bytes that it may have
	Take  func(io.Reader) error // gets the bytes while they arrive; an empty field is not handed over
}

// take decodes what text gives and hands it over. What Take leaves is read to its end, so that all of it is known to be good.
func (f File) take(text io.ByteReader) error {
	reader := &fileReader{decoded: base64.NewDecoder(base64.RawStdEncoding, &letters{text: text}), left: f.Most, field: f.Field}
	ahead := bufio.NewReader(reader)
	if _, err := ahead.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	if err := f.Take(ahead); err != nil {
		if reader.err != nil {
			return reader.err // it is why Take failed, in the caller's words
		}
		return err
	}
	_, err := io.Copy(io.Discard, ahead)
	return err
}

// fileReader counts a file's bytes and tells in faults what is wrong with it.
type fileReader struct {
	decoded io.Reader
	left    int64
	field   string
	err     error
}

// Read implements io.Reader.
func (f *fileReader) Read(p []byte) (int, error) {
	n, err := f.decoded.Read(p)
	if f.left -= int64(n); f.left < 0 {
		f.err = fault.New(fault.BodyTooLarge, "the file is larger than it may be").In(f.field)
		return 0, f.err
	}
	if _, corrupt := errors.AsType[base64.CorruptInputError](err); corrupt || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fault.New(fault.InvalidField, "the file is not in base64").In(f.field)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// letters makes what callers call base64 one: either alphabet (RFC 4648, 4 and 5), with or without its padding, with line ends.
type letters struct {
	text  io.ByteReader
	ended bool // the padding has begun
}

// Read implements io.Reader.
func (l *letters) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c, err := l.text.ReadByte()
		if err != nil {
			return n, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '=':
			l.ended = true
			continue
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		if l.ended {
			c = '=' // text after the padding, which the decoder refuses
		}
		p[n] = c
		n++
	}
	return n, nil
}
