package telemetry

import (
	"fmt"
	"log/slog"
	"unicode/utf8"
)

const hidden = "•••"

// Secret is a text that no log line, error, page or JSON shows. Reveal gives it to the code that needs it.
type Secret string

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String shows only whether there is a secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return fmt.Sprintf("telemetry.Secret(%q)", s.String()) }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON and TOML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Phone is an address that logs show only in part: +15550000123 becomes +1555•••0123.
type Phone string

// String shows enough of the address to recognise it and too little to write to it.
func (p Phone) String() string {
	r := []rune(string(p))
	switch n := len(r); {
	case n == 0:
		return ""
	case n < 8:
		return hidden
	case n < 12:
		return string(r[:3]) + hidden + string(r[n-2:])
	default:
		return string(r[:5]) + hidden + string(r[n-4:])
	}
}

// GoString shows as little as String.
func (p Phone) GoString() string { return fmt.Sprintf("telemetry.Phone(%q)", p.String()) }

// LogValue shows as little as String.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Body is what a message says; logs show only how long it is.
type Body string

// String tells the length.
func (b Body) String() string {
	return fmt.Sprintf("[%d characters]", utf8.RuneCountInString(string(b)))
}

// GoString shows as little as String.
func (b Body) GoString() string { return fmt.Sprintf("telemetry.Body(%q)", b.String()) }

// LogValue shows as little as String.
func (b Body) LogValue() slog.Value { return slog.StringValue(b.String()) }
