package smpp

import "unicode/utf8"

// escape leads in the extension table (3GPP TS 23.038, 6.2.1.1).
const escape = 0x1B

// gsmAlphabet is the default alphabet of 3GPP TS 23.038, 6.2.1, by septet. The place of escape holds a NUL.
var gsmAlphabet = [128]rune([]rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x00ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"))

// gsmExtension is the default extension table, by the septet after escape.
var gsmExtension = map[byte]rune{
	0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\', 0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

const (
	noSeptet  uint8 = 0xFF
	extended  uint8 = 0x80 // set on a septet that follows an escape
	tableSize       = 0x400
)

// gsmSeptets answers for every rune below tableSize with one look-up; only the euro sign lies above.
var gsmSeptets = func() (table [tableSize]uint8) {
	for i := range table {
		table[i] = noSeptet
	}
	for septet, r := range gsmAlphabet {
		if septet != escape {
			table[r] = uint8(septet)
		}
	}
	for septet, r := range gsmExtension {
		if r < tableSize {
			table[r] = septet | extended
		}
	}
	return table
}()

// septet is the code of r, with the bit extended when an escape comes first, or noSeptet.
func septet(r rune) uint8 {
	if uint32(r) < tableSize {
		return gsmSeptets[r]
	}
	if r == '€' {
		return 0x65 | extended
	}
	return noSeptet
}

// appendGSM7 adds the text as one septet per octet, and tells whether all of it could be said. nil is the default alphabet.
func appendGSM7(dst []byte, text string, n *national) ([]byte, bool) {
	for _, r := range text {
		code := n.septet(r)
		if code == noSeptet {
			return dst, false
		}
		if code&extended != 0 {
			dst = append(dst, escape)
		}
		dst = append(dst, code&^extended)
	}
	return dst, true
}

// appendFromGSM7 adds the text that unpacked septets stand for. An octet over 127 is no septet: a peer that sends one
// means Latin-1. An unknown extension is shown by its plain character, as the standard asks of a phone.
func appendFromGSM7(dst []byte, septets []byte, n *national) []byte {
	for i := 0; i < len(septets); i++ {
		afterEscape := septets[i] == escape && i+1 < len(septets)
		if afterEscape {
			i++
		}
		dst = utf8.AppendRune(dst, n.rune(septets[i], afterEscape))
	}
	return dst
}

// packSeptets puts eight septets into seven octets (3GPP TS 23.038, 6.1.2.1), after so many fill bits as a user data
// header leaves to its next septet. When seven bits would be left over they say CR, so that no '@' appears.
func packSeptets(septets []byte, fill int) []byte {
	bits := fill
	if (bits+7*len(septets))%8 == 1 {
		septets = append(septets[:len(septets):len(septets)], '\r')
	}
	out := make([]byte, (bits+7*len(septets)+7)/8)
	for _, code := range septets {
		at, shift := bits/8, bits%8
		out[at] |= code << shift
		if shift > 1 {
			out[at+1] |= code >> (8 - shift)
		}
		bits += 7
	}
	return out
}

// unpackSeptets is the inverse of packSeptets. A CR in the very last seven bits is the filler.
func unpackSeptets(octets []byte, fill int) []byte {
	count := max(0, (8*len(octets)-fill)/7)
	septets := make([]byte, 0, count)
	for bits := fill; len(septets) < count; bits += 7 {
		at, shift := bits/8, bits%8
		code := octets[at] >> shift
		if shift > 1 {
			code |= octets[at+1] << (8 - shift)
		}
		septets = append(septets, code&0x7F)
	}
	if (8*len(octets)-fill)%7 == 0 && count > 0 && septets[count-1] == '\r' {
		septets = septets[:count-1]
	}
	return septets
}
