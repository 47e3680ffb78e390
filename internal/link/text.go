package link

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is a text with the URLs in it that links are to stand for.
type Text struct {
	Targets []string // each URL once, in the order of the text
	around  []string // the text before, between and after the URLs
	of      []int    // which target stands in each gap
}

// begins is how a URL begins that links are made of.
var begins = regexp.MustCompile(`(?i)https?://`)

// Read finds the http and https URLs of a text. A URL ends where a phone would end it: before a space, a quotation mark or an angle
// bracket, and before punctuation that the sentence needs.
func Read(text string) (t Text) {
	rest, known := 0, map[string]int{}
	for from := 0; ; {
		at := begins.FindStringIndex(text[from:])
		if at == nil {
			break
		}
		start := from + at[0]
		if inWord(text[:start]) {
			from += at[1]
			continue
		}
		end := start + extent(text[start:])
		from = end // also behind what leads nowhere: each byte is looked at once, whatever a text is made of
		if !leads(text[start:end]) {
			continue
		}
		t.add(text[rest:start], text[start:end], known)
		rest = end
	}
	t.around = append(t.around, text[rest:])
	return t
}

// add adds a URL and the text before it. known are the places of those that were added before.
func (t *Text) add(before, target string, known map[string]int) {
	i, again := known[target]
	if !again {
		i = len(t.Targets)
		t.Targets, known[target] = append(t.Targets, target), i
	}
	t.around, t.of = append(t.around, before), append(t.of, i)
}

// With is the text with the links in place of their targets.
func (t Text) With(links []string) string {
	var b strings.Builder
	for i, which := range t.of {
		b.WriteString(t.around[i])
		b.WriteString(links[which])
	}
	b.WriteString(t.around[len(t.around)-1])
	return b.String()
}

// inWord reports whether what follows the text goes on with a word, or with a scheme such as git+http.
func inWord(before string) bool {
	if before == "" {
		return false
	}
	c := before[len(before)-1]
	return c == '+' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// extent is how many bytes the URL has that a text begins with.
func extent(text string) int {
	end := strings.IndexFunc(text, func(r rune) bool {
		if r < utf8.RuneSelf {
			return r <= ' ' || r == 0x7f || strings.ContainsRune("<>\"`", r)
		}
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
	})
	if end < 0 {
		end = len(text)
	}
	return len(trim(text[:end]))
}

// trim takes off the end of a URL what is the sentence's: punctuation, and brackets that were opened before the URL.
func trim(u string) string {
	over := map[byte]int{} // how many brackets are closed that were not opened
	for _, pair := range []string{"()", "[]", "{}"} {
		over[pair[1]] = strings.Count(u, pair[1:]) - strings.Count(u, pair[:1])
	}
	for u != "" {
		last := u[len(u)-1]
		switch {
		case strings.IndexByte(".,;:!?'*_~", last) >= 0:
		case over[last] > 0:
			over[last]--
		default:
			return u
		}
		u = u[:len(u)-1]
	}
	return u
}

// leads reports whether a text is a URL with a host.
func leads(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != ""
}
