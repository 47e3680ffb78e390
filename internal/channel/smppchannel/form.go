package smppchannel

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
)

// form reads settings key by key and collects every mistake.
type form struct {
	values map[string]json.RawMessage
	known  map[string]bool
	faults []error
}

func readForm(s channel.Settings) *form {
	f := &form{known: map[string]bool{}}
	if err := s.Decode(&f.values); err != nil || f.values == nil {
		f.faults = append(f.faults, fault.New(fault.MalformedBody, "the settings are not a JSON object"))
	}
	return f
}

// end is every mistake, those about keys that nobody asked for included.
func (f *form) end() error {
	if f.values == nil {
		return f.faults[0]
	}
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !f.known[key] {
			f.faults = append(f.faults, fault.New(fault.UnknownField, "is no setting of SMPP").In(key))
		}
	}
	return errors.Join(f.faults...)
}

func (f *form) wrong(key, format string, args ...any) {
	f.faults = append(f.faults, fault.New(fault.InvalidField, format, args...).In(key))
}

func (f *form) missing(key string) {
	f.faults = append(f.faults, fault.New(fault.MissingField, "is required").In(key))
}

// read is the value, or the fallback when it is absent, null or of the wrong type.
func read[T any](f *form, key string, fallback T, shape string) T {
	f.known[key] = true
	raw, ok := f.values[key]
	if !ok || string(raw) == "null" {
		return fallback
	}
	value := fallback
	if json.Unmarshal(raw, &value) != nil {
		f.wrong(key, "must be %s", shape)
		return fallback
	}
	return value
}

func (f *form) text(key string) string { return read(f, key, "", "a text") }

func (f *form) flag(key string) bool { return read(f, key, false, "true or false") }

// word is a text of printable ASCII, as SMPP's fields take. The value is not repeated, since a password is one.
func (f *form) word(key string, least, most int) string {
	text := f.text(key)
	if len(text) < least {
		f.missing(key)
	}
	if len(text) > most {
		f.wrong(key, "is longer than %d characters", most)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		f.wrong(key, "may hold letters, digits and signs of ASCII only")
	}
	return text
}

func (f *form) number(key string, fallback, least, most int) int {
	n := read(f, key, fallback, "a whole number")
	if n != fallback && (n < least || n > most) {
		f.wrong(key, "must be from %d to %d", least, most)
	}
	return n
}

func (f *form) period(key string, fallback, least, most time.Duration) time.Duration {
	text := f.text(key)
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		f.wrong(key, "must be a time from %s to %s, such as %s", least, most, fallback)
	}
	return d
}

func choose[T any](f *form, key, fallback string, words map[string]T) T {
	text := f.text(key)
	if text == "" {
		text = fallback
	}
	value, ok := words[text]
	if !ok {
		f.wrong(key, "must be one of %s", strings.Join(slices.Sorted(maps.Keys(words)), ", "))
	}
	return value
}
