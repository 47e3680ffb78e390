package channel

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/fault"
)

// Form reads settings key by key and collects every mistake.
type Form struct {
	network string
	values  map[string]json.RawMessage
	known   map[string]bool
	faults  []error
}

// ReadForm begins to read settings of a network, whose name is for people.
func ReadForm(s Settings, network string) *Form {
	f := &Form{network: network, known: map[string]bool{}}
	if err := s.Decode(&f.values); err != nil || f.values == nil {
		f.faults = append(f.faults, fault.New(fault.MalformedBody, "the settings are not a JSON object"))
	}
	return f
}

// End is every mistake, those about keys that nobody asked for included.
func (f *Form) End() error {
	if f.values == nil {
		return f.faults[0]
	}
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !f.known[key] {
			f.faults = append(f.faults, fault.New(fault.UnknownField, "is no setting of %s", f.network).In(key))
		}
	}
	return errors.Join(f.faults...)
}

// Wrong says what is wrong with a setting.
func (f *Form) Wrong(key, format string, args ...any) {
	f.faults = append(f.faults, fault.New(fault.InvalidField, format, args...).In(key))
}

// Missing says that a setting must be there.
func (f *Form) Missing(key string) {
	f.faults = append(f.faults, fault.New(fault.MissingField, "is required").In(key))
}

// Read is the value, or the fallback when it is absent, null or of the wrong type.
func Read[T any](f *Form, key string, fallback T, shape string) T {
	f.known[key] = true
	raw, ok := f.values[key]
	if !ok || string(raw) == "null" {
		return fallback
	}
	value := fallback
	if json.Unmarshal(raw, &value) != nil {
		f.Wrong(key, "must be %s", shape)
		return fallback
	}
	return value
}

// Text is a text; empty when it is absent.
func (f *Form) Text(key string) string { return Read(f, key, "", "a text") }

// Flag is true or false; false when it is absent.
func (f *Form) Flag(key string) bool { return Read(f, key, false, "true or false") }

// Word is a text of printable ASCII, as SMPP's fields take. The value is not repeated, since a password is one.
func (f *Form) Word(key string, least, most int) string {
	text := f.Text(key)
	if len(text) < least {
		f.Missing(key)
	}
	if len(text) > most {
		f.Wrong(key, "is longer than %d characters", most)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		f.Wrong(key, "may hold letters, digits and signs of ASCII only")
	}
	return text
}

// Number is a whole number within bounds, or the fallback.
func (f *Form) Number(key string, fallback, least, most int) int {
	n := Read(f, key, fallback, "a whole number")
	if n != fallback && (n < least || n > most) {
		f.Wrong(key, "must be from %d to %d", least, most)
	}
	return n
}

// Period is a time within bounds, such as 30s.
func (f *Form) Period(key string, fallback, least, most time.Duration) time.Duration {
	text := f.Text(key)
	if text == "" {
		return fallback
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		f.Wrong(key, "must be a time from %s to %s, such as %s", least, most, fallback)
	}
	return d
}

// Choose is what a word stands for.
func Choose[T any](f *Form, key, fallback string, words map[string]T) T {
	text := f.Text(key)
	if text == "" {
		text = fallback
	}
	value, ok := words[text]
	if !ok {
		f.Wrong(key, "must be one of %s", strings.Join(slices.Sorted(maps.Keys(words)), ", "))
	}
	return value
}
