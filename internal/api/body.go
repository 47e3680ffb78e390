package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// keptBuffer is how large a buffer may be to be used again.
const keptBuffer = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// idempotencyKey is the header that makes a repeat of a request harmless.
const idempotencyKey = "Idempotency-Key"

// Decode reads the request's body, strictly, as one JSON object.
func Decode[T any](r *http.Request) (*T, error) {
	into := new(T)
	return into, DecodeWith(r, func(body []byte) error { return DecodeStrict(body, into) })
}

// DecodeWith reads the request's body and hands it to the function, which must not keep it.
func DecodeWith(r *http.Request, decode func(body []byte) error) error {
	v := visitOf(r)
	b := buffers.Get().(*bytes.Buffer)
	defer putBuffer(b)
	if err := v.read(b, r); err != nil {
		return err
	}
	if r.Header.Get(idempotencyKey) != "" {
		sum := sha256.New()
		sum.Write(b.Bytes())
		v.know(r, sum)
	}
	return decode(b.Bytes())
}

// read takes in the whole body, or refuses it when it is larger than its route allows.
func (v *visit) read(b *bytes.Buffer, r *http.Request) error {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return fault.New(fault.MalformedBody, "a compressed body is not taken")
	}
	if r.ContentLength > v.entry.body {
		v.Header().Set("Connection", "close")
		return tooLarge(v.entry.body)
	}
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength+bytes.MinRead, keptBuffer)))
	}
	_, err := b.ReadFrom(http.MaxBytesReader(v.ResponseWriter, r.Body, v.entry.body))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge(v.entry.body)
	}
	if err != nil {
		v.Header().Set("Connection", "close")
		return fault.New(fault.MalformedBody, "the body did not arrive whole")
	}
	return nil
}

func tooLarge(most int64) error {
	return fault.New(fault.BodyTooLarge, "the body is larger than %d bytes", most)
}

// Submission is the drafts of a request as the gateway wants them, with the key that makes a repeat harmless. The
// request's body must have been decoded before.
func Submission(r *http.Request, drafts ...message.Draft) (gateway.Request, error) {
	v := visitOf(r)
	key, err := keyOf(r)
	return gateway.Request{Drafts: drafts, Key: key, Scope: v.scope(), Fingerprint: v.fingerprint}, err
}

// keyOf is the request's Idempotency-Key; empty when it has none.
func keyOf(r *http.Request) (string, error) {
	keys := r.Header[idempotencyKey]
	if len(keys) == 0 {
		return "", nil
	}
	if len(keys) > 1 || len(keys[0]) < 1 || len(keys[0]) > 255 || !visible(keys[0]) {
		return "", fault.New(fault.InvalidField, "an idempotency key has 1 to 255 visible ASCII characters").In(idempotencyKey)
	}
	return keys[0], nil
}

// scope is what an idempotency key counts within.
func (v *visit) scope() string { return v.entry.method + " " + v.entry.path }

func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Reply writes a value as JSON with the status.
func Reply(w http.ResponseWriter, status int, value any) error {
	return ReplyAs(w, "application/json", status, value)
}

// ReplyAs writes a value as JSON that goes by another media type.
func ReplyAs(w http.ResponseWriter, mediaType string, status int, value any) error {
	b := buffers.Get().(*bytes.Buffer)
	defer putBuffer(b)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	return Write(w, mediaType, status, b.Bytes())
}

// Write sends a whole body.
func Write(w http.ResponseWriter, mediaType string, status int, body []byte) error {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller who has gone needs no reply
	return nil
}
