package smpp

// Concat places a part within a longer text. Its zero value means a text that stands alone.
type Concat struct {
	Ref    uint16
	Total  uint8
	Number uint8 // from 1
	Wide   bool  // the reference takes two octets in a user data header
}

// Information elements of a user data header (3GPP TS 23.040, 9.2.3.24).
const (
	elementConcat8  = 0x00
	elementConcat16 = 0x08
)

// IsPart tells whether there are other parts.
func (c Concat) IsPart() bool { return c.Total > 1 }

// appendUDH adds a user data header with what is not zero of its elements. That of a part begins 05 00 03 ref total
// number, or 06 08 04 with a wide reference.
func appendUDH(dst []byte, c Concat, s Shift) []byte {
	start := len(dst)
	dst = append(dst, 0)
	switch {
	case c.IsPart() && c.Wide:
		dst = append(dst, elementConcat16, 4, byte(c.Ref>>8), byte(c.Ref), c.Total, c.Number)
	case c.IsPart():
		dst = append(dst, elementConcat8, 3, byte(c.Ref), c.Total, c.Number)
	}
	dst = s.appendElements(dst)
	dst[start] = byte(len(dst) - start - 1)
	return dst
}

func (c Concat) appendSAR(tlvs TLVs) TLVs {
	return tlvs.AddUint16(TagSARRef, c.Ref).AddUint8(TagSARTotal, c.Total).AddUint8(TagSARSeq, c.Number)
}

// UserHeader is what a user data header says that matters to a text.
type UserHeader struct {
	Concat Concat
	Shift  Shift
}

// SplitUDH takes the user data header off the octets of a message with ESMUDHI. Octets that are no header are all text,
// so that a peer's mistake shows rather than vanishes.
func SplitUDH(octets []byte) (h UserHeader, text []byte) {
	if len(octets) == 0 || int(octets[0]) >= len(octets) {
		return UserHeader{}, octets
	}
	size := 1 + int(octets[0])
	return parseElements(octets[1:size]), octets[size:]
}

// parseElements looks for the concatenation and the shift tables among the elements and skips the others. The first
// concatenation counts.
func parseElements(elements []byte) (h UserHeader) {
	for len(elements) >= 2 {
		id, size := elements[0], int(elements[1])
		if 2+size > len(elements) {
			break
		}
		value := elements[2 : 2+size]
		switch {
		case h.Concat.IsPart():
		case id == elementConcat8 && size == 3:
			h.Concat = validConcat(Concat{Ref: uint16(value[0]), Total: value[1], Number: value[2]})
		case id == elementConcat16 && size == 4:
			h.Concat = validConcat(Concat{Ref: uint16(value[0])<<8 | uint16(value[1]), Total: value[2], Number: value[3], Wide: true})
		}
		switch {
		case id == elementSingle && size == 1:
			h.Shift.Single = languageOf(value[0])
		case id == elementLocking && size == 1:
			h.Shift.Locking = languageOf(value[0])
		}
		elements = elements[2+size:]
	}
	return h
}

// ParseSAR reads the three sar_ parameters (SMPP 3.4, 5.3.2.22 to 24). All must be there.
func ParseSAR(tlvs TLVs) Concat {
	ref, hasRef := tlvs.Uint16(TagSARRef)
	total, hasTotal := tlvs.Uint8(TagSARTotal)
	number, hasNumber := tlvs.Uint8(TagSARSeq)
	if !hasRef || !hasTotal || !hasNumber {
		return Concat{}
	}
	return validConcat(Concat{Ref: ref, Total: total, Number: number, Wide: true})
}

// validConcat drops what cannot be placed: 3GPP says that a part numbered 0 or past the total is to be taken alone.
func validConcat(c Concat) Concat {
	if c.Number == 0 || c.Number > c.Total {
		return Concat{}
	}
	return c
}
