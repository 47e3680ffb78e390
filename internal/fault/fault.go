// Package fault is what can go wrong in a way that a caller may see: a stable code, a sentence, and what kind of error it is.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind says what sort of trouble a fault is; each surface maps kinds to its own status codes in one table.
type Kind int

// The kinds of fault.
const (
	Internal     Kind = iota // ours to mend; the caller sees only a request id
	Malformed                // the request cannot be read
	Invalid                  // the request can be read and makes no sense
	Unauthorized             // who is asking is not known
	Forbidden                // who is asking may not
	NotFound                 // no such thing, or not the caller's
	Conflict                 // the thing is in another state than the request needs
	NoBalance                // the wallet cannot pay
	TooLarge                 // more than a limit allows
	TooMany                  // too often; try again later
	Unavailable              // we cannot now; try again later
)

// Fault is an error that a caller may see. Its text holds no secret, no SQL and no message text.
type Fault struct {
	Code       Code
	Text       string        // one sentence for a person
	Field      string        // the part of the request at fault, such as "to" or "messages[3].text"
	RetryAfter time.Duration // when to try again, for TooMany and Unavailable
	Existing   string        // the id of the thing already there, for Conflict
	More       []*Fault      // what else is wrong with the same request, if all of it was looked at
}

// New returns a fault with a sentence of its own.
func New(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Text: fmt.Sprintf(format, args...)}
}

// In returns the fault with the field it is about.
func (f *Fault) In(field string) *Fault { f.Field = field; return f }

// After returns the fault with the time to wait before trying again.
func (f *Fault) After(d time.Duration) *Fault { f.RetryAfter = d; return f }

// Kind is the kind of the fault's code.
func (f *Fault) Kind() Kind { return f.Code.Kind() }

// Error is the sentence with its code.
func (f *Fault) Error() string {
	if f.Field != "" {
		return fmt.Sprintf("%s: %s (%s)", f.Field, f.Text, f.Code)
	}
	return fmt.Sprintf("%s (%s)", f.Text, f.Code)
}

// Is makes errors.Is compare codes.
func (f *Fault) Is(target error) bool {
	other, ok := target.(*Fault)
	return ok && other.Code == f.Code
}

// Of returns the fault inside err, or nil when err is none: such an error is internal and is not shown.
func Of(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return nil
}

// All joins every fault inside err, such as those of a form, into the first of them; nil when err is none.
func All(err error) *Fault {
	all := list(err)
	if len(all) == 0 {
		return nil
	}
	first := *all[0]
	first.More = append(slices.Clone(first.More), all[1:]...)
	return &first
}

func list(err error) (all []*Fault) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, list(one)...)
		}
	case interface{ Unwrap() error }:
		return list(e.Unwrap())
	}
	return all
}

// Is reports whether err carries a fault with the code.
func Is(err error, code Code) bool {
	f := Of(err)
	return f != nil && f.Code == code
}
