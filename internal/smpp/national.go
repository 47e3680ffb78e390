package smpp

import "math/bits"

// Languages is a set of national languages that have alphabets of their own (3GPP TS 23.038, annex A).
type Languages uint8

// The languages. Spanish has no locking shift table.
const (
	Turkish Languages = 1 << iota
	Spanish
	Portuguese
)

// AllLanguages is every language that this package knows.
const AllLanguages = Turkish | Spanish | Portuguese

// Shift says which national tables stand in for those of the default alphabet. Its zero value means none. Each names one
// language or none.
type Shift struct {
	Locking Languages // in place of the alphabet
	Single  Languages // in place of the extension table
}

// Information elements that name the tables (3GPP TS 23.040, 9.2.3.24.15 and 16). A language is told by its number.
const (
	elementSingle  = 0x24
	elementLocking = 0x25
	elementSize    = 3
)

// identifier is a language's number (3GPP TS 23.038, 6.2.1.2.4).
func (l Languages) identifier() byte { return byte(bits.Len8(uint8(l))) }

// languageOf is the language with a number, or none that is known.
func languageOf(identifier byte) Languages {
	if identifier == 0 || identifier > AllLanguages.identifier() {
		return 0
	}
	return 1 << (identifier - 1)
}

// headerSize is what the elements of the shift take in a user data header, without the octet of its length.
func (s Shift) headerSize() int {
	size := 0
	if s.Locking != 0 {
		size += elementSize
	}
	if s.Single != 0 {
		size += elementSize
	}
	return size
}

func (s Shift) appendElements(dst []byte) []byte {
	if s.Single != 0 {
		dst = append(dst, elementSingle, 1, s.Single.identifier())
	}
	if s.Locking != 0 {
		dst = append(dst, elementLocking, 1, s.Locking.identifier())
	}
	return dst
}

// lockingTables are the alphabets by the septets in which they differ from the default one (3GPP TS 23.038, A.3).
var lockingTables = map[Languages]map[byte]rune{
	Turkish: {0x04: '€', 0x07: 'ı', 0x0B: 'Ğ', 0x0C: 'ğ', 0x1C: 'Ş', 0x1D: 'ş', 0x40: 'İ', 0x60: 'ç'},
	Portuguese: {
		0x04: 'ê', 0x06: 'ú', 0x07: 'í', 0x08: 'ó', 0x09: 'ç', 0x0B: 'Ô', 0x0C: 'ô', 0x0E: 'Á', 0x0F: 'á', 0x12: 'ª', 0x13: 'Ç', 0x14: 'À',
		0x15: '∞', 0x16: '^', 0x17: '\\', 0x18: '€', 0x19: 'Ó', 0x1A: '|', 0x1C: 'Â', 0x1D: 'â', 0x1E: 'Ê', 0x24: 'º', 0x40: 'Í', 0x5B: 'Ã',
		0x5C: 'Õ', 0x5D: 'Ú', 0x60: '~', 0x7B: 'ã', 0x7C: 'õ', 0x7D: '`',
	},
}

// singleTables are what the extension tables have besides the default one (3GPP TS 23.038, A.2).
var singleTables = map[Languages]map[byte]rune{
	Turkish: {0x47: 'Ğ', 0x49: 'İ', 0x53: 'Ş', 0x63: 'ç', 0x67: 'ğ', 0x69: 'ı', 0x73: 'ş'},
	Spanish: {0x09: 'ç', 0x41: 'Á', 0x49: 'Í', 0x4F: 'Ó', 0x55: 'Ú', 0x61: 'á', 0x69: 'í', 0x6F: 'ó', 0x75: 'ú'},
	Portuguese: {
		0x05: 'ê', 0x09: 'ç', 0x0B: 'Ô', 0x0C: 'ô', 0x0E: 'Á', 0x0F: 'á', 0x12: 'Φ', 0x13: 'Γ', 0x15: 'Ω', 0x16: 'Π', 0x17: 'Ψ', 0x18: 'Σ',
		0x19: 'Θ', 0x1F: 'Ê', 0x41: 'À', 0x49: 'Í', 0x4F: 'Ó', 0x55: 'Ú', 0x5B: 'Ã', 0x5C: 'Õ', 0x61: 'Â', 0x69: 'í', 0x6F: 'ó', 0x75: 'ú',
		0x7B: 'ã', 0x7C: 'õ', 0x7F: 'â',
	},
}

// national answers for one shift, both ways.
type national struct {
	shift   Shift
	plain   [128]rune
	beyond  map[byte]rune  // after an escape
	septets map[rune]uint8 // with the bit extended when an escape comes first
}

func newNational(s Shift) *national {
	n := &national{shift: s, plain: gsmAlphabet, beyond: map[byte]rune{}, septets: map[rune]uint8{}}
	for septet, r := range lockingTables[s.Locking] {
		n.plain[septet] = r
	}
	for _, table := range []map[byte]rune{gsmExtension, singleTables[s.Single]} {
		for septet, r := range table {
			n.beyond[septet] = r
			n.septets[r] = septet | extended
		}
	}
	for septet, r := range &n.plain {
		if septet != escape {
			n.septets[r] = uint8(septet) // what needs no escape wins
		}
	}
	return n
}

// nationals are all shifts of one language, the shorter headers first.
var nationals = func() (all []*national) {
	for _, language := range []Languages{Turkish, Spanish, Portuguese} {
		all = append(all, newNational(Shift{Single: language}))
		if lockingTables[language] != nil {
			all = append(all, newNational(Shift{Locking: language}), newNational(Shift{Locking: language, Single: language}))
		}
	}
	return all
}()

// nationalOf is the tables of a shift; nil for the default alphabet. A peer may mix languages.
func nationalOf(s Shift) *national {
	if s == (Shift{}) {
		return nil
	}
	for _, n := range nationals {
		if n.shift == s {
			return n
		}
	}
	return newNational(s)
}

// septet is the code of r, with the bit extended when an escape comes first, or noSeptet.
func (n *national) septet(r rune) uint8 {
	if n == nil {
		return septet(r)
	}
	if code, ok := n.septets[r]; ok {
		return code
	}
	return noSeptet
}

// rune is what a septet means, alone or after an escape.
func (n *national) rune(code byte, afterEscape bool) rune {
	if afterEscape {
		beyond := gsmExtension
		if n != nil {
			beyond = n.beyond
		}
		if r, ok := beyond[code]; ok {
			return r
		}
	}
	switch {
	case code >= 128:
		return rune(code)
	case code == escape:
		return ' '
	case n != nil:
		return n.plain[code]
	}
	return gsmAlphabet[code]
}

// worn tells whether all languages of the shift are among those allowed.
func (s Shift) worn(by Languages) bool { return (s.Locking|s.Single)&^by == 0 }
