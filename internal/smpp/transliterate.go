package smpp

import "strings"

// plainPunctuation holds the typographic signs that editors put in unasked, and what a phone keypad has for them. A
// single one would halve what fits a message. Letters are left alone: changing them changes names.
var plainPunctuation = map[rune]string{
	'‘': "'", '’': "'", '‚': "'", '‛': "'", '′': "'", '‹': "<", '›': ">", '`': "'", '´': "'",
	'“': `"`, '”': `"`, '„': `"`, '‟': `"`, '″': `"`, '«': `"`, '»': `"`,
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '\u00AD': "",
	'…': "...", '•': "-", '·': ".", '⁄': "/", '\t': " ",
	'\u00A0': " ", '\u2000': " ", '\u2001': " ", '\u2002': " ", '\u2003': " ", '\u2004': " ", '\u2005': " ", '\u2006': " ",
	'\u2007': " ", '\u2008': " ", '\u2009': " ", '\u200A': " ", '\u202F': " ", '\u205F': " ", '\u3000': " ",
	'\u200B': "", '\u2060': "", '\uFEFF': "", '\u2028': "\n", '\u2029': "\n",
}

// Transliterate puts plain punctuation in place of typographic punctuation.
func Transliterate(text string) string {
	first := strings.IndexFunc(text, isTypographic)
	if first < 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	out.WriteString(text[:first])
	for _, r := range text[first:] {
		if plain, ok := plainPunctuation[r]; ok {
			out.WriteString(plain)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

func isTypographic(r rune) bool {
	if r < 0x80 && r != '`' && r != '\t' {
		return false
	}
	_, ok := plainPunctuation[r]
	return ok
}
