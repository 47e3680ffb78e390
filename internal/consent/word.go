package consent

import (
	"strings"
	"unicode"
)

// Word is what a short answer asks for.
type Word int

// The words.
const (
	None Word = iota
	Stop
	Start
	Help
)

// longest is more bytes than any listed word has, with room for punctuation: longer texts say something else.
const longest = 100

// Read tells what a text asks for. Only a text that is nothing but a listed word counts, in any case and with any
// punctuation around it: "please stop by at 5" is no opt-out.
func Read(text string) Word { return read(text).word }

func read(text string) meaning {
	text = strings.TrimSpace(text)
	if len(text) > longest {
		return meaning{}
	}
	return words[plain(text)]
}

// plain is the text in capitals with one space between its words. Signs between words count as spaces; marks that cannot
// be seen, and accents written apart from their letter, do not count.
func plain(text string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(text) {
		switch {
		case unicode.Is(unicode.Cf, r) || r >= 0x300 && r <= 0x36f || r >= 0xfe00 && r <= 0xfe0f:
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// meaning is what a listed word asks for, in which language.
type meaning struct {
	word     Word
	language string
}

var words = func() map[string]meaning {
	index := map[string]meaning{}
	for _, l := range languages {
		for word, list := range map[Word][]string{Stop: l.stop, Start: l.start, Help: l.help} {
			for _, text := range list {
				if _, taken := index[text]; !taken {
					index[text] = meaning{word, l.code}
				}
			}
		}
	}
	return index
}()
