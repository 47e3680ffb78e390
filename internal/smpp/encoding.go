package smpp

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how the characters of a text become octets.
type Encoding uint8

// The encodings that a text is sent in.
const (
	GSM7   Encoding = iota // GSM 03.38 default alphabet with its extension table
	Latin1                 // ISO 8859-1, for peers whose data_coding 0 or 3 means it
	UCS2                   // UTF-16BE; SMPP's name for it
	ASCII                  // for peers whose data_coding 0 means it: what ASCII and GSM 03.38 both have
)

// String is the name that prices and reports show.
func (e Encoding) String() string {
	return [...]string{"GSM7", "LATIN1", "UCS2", "ASCII"}[min(e, ASCII)]
}

// capacity is how many units fit a short message: alone, and as a part beside a reference of one or two octets.
type capacity struct{ alone, ref8, ref16 int }

// capacities follow from 140 octets less a user data header of 6 or 7 (3GPP TS 23.040, 9.2.3.24).
var capacities = [...]capacity{
	GSM7:   {160, 153, 152},
	Latin1: {140, 134, 133},
	UCS2:   {70, 67, 66},
	ASCII:  {160, 153, 152}, // the peer turns it into GSM 03.38
}

// width is how many units r takes, or 0 when the encoding cannot say it.
func (e Encoding) width(r rune, n *national) int {
	switch e {
	case GSM7:
		return gsmWidth(r, n)
	case ASCII:
		if r > '~' || r < ' ' && r != '\n' && r != '\r' {
			return 0
		}
		return gsmWidth(r, nil)
	case Latin1:
		if r > 0xFF {
			return 0
		}
		return 1
	}
	if r >= 0x10000 {
		return 2
	}
	return 1
}

func gsmWidth(r rune, n *national) int {
	code := n.septet(r)
	switch {
	case code == noSeptet:
		return 0
	case code&extended != 0:
		return 2
	}
	return 1
}

// appendText adds the octets of a text that the encoding can say.
func (e Encoding) appendText(dst []byte, text string, n *national) []byte {
	switch e {
	case GSM7:
		dst, _ = appendGSM7(dst, text, n)
		return dst
	case ASCII:
		return append(dst, text...)
	case Latin1:
		for _, r := range text {
			dst = append(dst, byte(r))
		}
		return dst
	}
	return appendUTF16(dst, text)
}

// appendUTF16 sends UTF-16 rather than strict UCS-2: every phone shows it, and emoji exist in no other way.
func appendUTF16(dst []byte, text string) []byte {
	for _, r := range text {
		if r >= 0x10000 {
			high, low := utf16.EncodeRune(r)
			dst = append(dst, byte(high>>8), byte(high), byte(low>>8), byte(low))
			continue
		}
		dst = append(dst, byte(r>>8), byte(r))
	}
	return dst
}

// appendFromUTF16 adds the text of big-endian units. Half a pair becomes U+FFFD and an odd last octet is dropped, as
// neither can mean anything.
func appendFromUTF16(dst []byte, octets []byte) []byte {
	for i := 0; i+1 < len(octets); i += 2 {
		r := unit(octets, i)
		if utf16.IsSurrogate(r) {
			r = utf16.DecodeRune(r, unit(octets, i+2))
			if r != utf8.RuneError {
				i += 2
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func unit(octets []byte, at int) rune {
	if at+1 >= len(octets) {
		return 0
	}
	return rune(octets[at])<<8 | rune(octets[at+1])
}
