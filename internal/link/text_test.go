package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/link"
)

func TestURLsAreFoundAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"no link in here, http:// and https:/x and ftp://a.example and www.a.example", nil},
		{"https://a.example", []string{"https://a.example"}},
		{"See HTTPS://A.example/X?y=1&z=%20#f!", []string{"HTTPS://A.example/X?y=1&z=%20#f"}},
		{"Pay at http://a.example/1, or at http://a.example/2.", []string{"http://a.example/1", "http://a.example/2"}},
		{"(see https://a.example/wiki_(x))", []string{"https://a.example/wiki_(x)"}},
		{"[https://a.example/a] {https://a.example/b}", []string{"https://a.example/a", "https://a.example/b"}},
		{"<https://a.example/a>\"https://a.example/b\"'https://a.example/c'", []string{"https://a.example/a", "https://a.example/b", "https://a.example/c"}},
		{"twice https://a.example and https://a.example", []string{"https://a.example"}},
		{"https://a.example/\nnext", []string{"https://a.example/"}},
		{"see:https://a.example", []string{"https://a.example"}},
		{"看https://a.example/路。好", []string{"https://a.example/路"}},
		{"git+https://a.example xhttp://a.example _http://a.example 1https://a.example", nil},
		{"https://[::1]:80/x and http://user:word@a.example/", []string{"https://[::1]:80/x", "http://user:word@a.example/"}},
		{"https://?x http://#y https://a.example:port/ http://%zz/", nil},
		{"https://a.example/u?next=https://b.example/", []string{"https://a.example/u?next=https://b.example/"}},
		{"http://https://a.example", []string{"http://https://a.example"}},
		{"https://a.example/...", []string{"https://a.example/"}},
	} {
		if got := link.Read(c.text).Targets; !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

// A text is read in one go, whatever its sender made it of: one that is read again from each of its bytes takes seconds.
func TestReadingTakesNoLongerForHostileTexts(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	for _, piece := range []string{"http:///", "xhttp://", "http://[", ")"} {
		text := strings.Repeat(piece, size/len(piece))
		if piece == ")" {
			text = "http://a" + text
		}
		begun := time.Now()
		link.Read(text)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%q: %s", piece, took)
		}
	}
	many := ""
	for n := range size / 12 {
		many += fmt.Sprintf("http://%x ", n)
	}
	begun := time.Now()
	if got := len(link.Read(many).Targets); got != size/12 || time.Since(begun) > time.Second {
		t.Errorf("%d targets in %s", got, time.Since(begun))
	}
}

func TestOnlyURLsAreReplaced(t *testing.T) {
	t.Parallel()
	text := link.Read("Hi! https://a.example/1, https://a.example/2 and (https://a.example/1).")
	if got := text.With([]string{"X", "Y"}); got != "Hi! X, Y and (X)." {
		t.Errorf("%q", got)
	}
}

// Whatever a text says, putting its own URLs back gives the text, and what is put in stands where URLs stood.
func TestATextWithItsOwnURLsIsItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.OneOf(
			rapid.String(), rapid.SampledFrom([]string{"http://", "https://a.example", "https://a.example/x?y=(z)", " ", ".", ")", "(", "HTTP://b.example", "\n", "\xff", "€", "h"}),
		)).Draw(t, "pieces")
		text := strings.Join(pieces, "")
		read := link.Read(text)
		if got := read.With(read.Targets); got != text {
			t.Fatalf("%q became %q", text, got)
		}
		for _, target := range read.Targets {
			if !strings.Contains(text, target) || strings.ContainsAny(target, " \n\r\t\x00\"<>") || !strings.HasPrefix(strings.ToLower(target), "http") {
				t.Fatalf("%q is no URL of %q", target, text)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("see https://a.example/x, (http://b.example)")
	f.Fuzz(func(t *testing.T, text string) {
		read := link.Read(text)
		if got := read.With(read.Targets); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
