package smpp

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Method is how the parts of a long text are tied together.
type Method uint8

// The four methods. Only UDH8 is understood by every SMSC and phone.
const (
	UDH8    Method = iota // a user data header with a reference of one octet
	UDH16                 // a user data header with a reference of two octets
	SAR                   // the sar_ parameters
	Payload               // one PDU with message_payload; the SMSC splits
)

// MaxParts is what the one octet of a total can say.
const MaxParts = 255

// ErrNotUTF8 says that a text is not valid UTF-8.
var ErrNotUTF8 = errors.New("smpp: text is not UTF-8")

// TooLongError says that a text takes more parts than a total can say. Nothing of it may be sent.
type TooLongError struct{ Parts int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("smpp: text takes %d parts, at most %d", e.Parts, MaxParts)
}

// Options say how a peer wants its texts. The zero value suits most SMSCs.
type Options struct {
	Alphabet      Encoding   // what a text is in when it can be: GSM7 (default) or Latin1; UCS2 forces it on all
	Coding        DataCoding // the data_coding that stands for Alphabet: 0, or 3 where Latin-1 must be named
	Packed        bool       // eight septets in seven octets, for the few SMSCs that ask for it
	National      Languages  // whose alphabets may be used where they save parts; by UDH8 and UDH16 only
	Septets       bool       // use them also where they save none: the parts of one text have one encoding
	Transliterate bool       // plain punctuation for typographic, before all else
	Method        Method
	Ref           uint16 // of the parts; unique for a source and destination while parts are in flight
}

// Count is what a text will cost.
type Count struct {
	Encoding Encoding
	Units    int // septets, octets or UTF-16 units
	Segments int // what networks charge for, also with Payload
	Shift    Shift
}

// CountText tells what Split would make, without making it. It allocates nothing unless a text is transliterated.
func CountText(text string, o Options) (Count, error) {
	if o.Transliterate {
		text = Transliterate(text)
	}
	if o.Alphabet != UCS2 {
		count, ok := countIn(o.Alphabet, nil, text, o.Method)
		if ok {
			return count, count.check()
		}
	}
	if !utf8.ValidString(text) {
		return Count{}, ErrNotUTF8
	}
	count, _ := countIn(UCS2, nil, text, o.Method)
	if septets, ok := o.countNational(text); ok && (o.Septets || septets.Segments < count.Segments) {
		count = septets
	}
	return count, count.check()
}

// countNational counts in the national alphabet that takes the fewest parts; of those a single shift first, since a phone
// that does not know it still shows the plain letters.
func (o Options) countNational(text string) (best Count, found bool) {
	if o.National == 0 || o.Alphabet != GSM7 || o.Method > UDH16 {
		return Count{}, false
	}
	for _, n := range nationals {
		if !n.shift.worn(o.National) {
			continue
		}
		count, ok := countIn(GSM7, n, text, o.Method)
		if ok && (!found || count.Segments < best.Segments) {
			best, found = count, true
		}
	}
	return best, found
}

func (c Count) check() error {
	if c.Segments > MaxParts {
		return &TooLongError{Parts: c.Segments}
	}
	return nil
}

// countIn fills parts from the front, as Split does: dividing units by the capacity would be wrong where an escape or
// a surrogate pair moves to the next part whole.
func countIn(e Encoding, n *national, text string, method Method) (Count, bool) {
	count := Count{Encoding: e, Segments: 1}
	if n != nil {
		count.Shift = n.shift
	}
	limit, filled := e.partLimit(method, count.Shift), 0
	for _, r := range text {
		width := e.width(r, n)
		if width == 0 || r == utf8.RuneError && e != UCS2 {
			return Count{}, false
		}
		if filled+width > limit {
			count.Segments, filled = count.Segments+1, 0
		}
		count.Units, filled = count.Units+width, filled+width
	}
	if count.Units <= e.aloneLimit(count.Shift) {
		count.Segments = 1
	}
	return count, true
}

// aloneLimit is how many units a text of one part has room for.
func (e Encoding) aloneLimit(s Shift) int {
	if s == (Shift{}) {
		return capacities[e].alone
	}
	return septetsBeside(1 + s.headerSize())
}

func (e Encoding) partLimit(method Method, s Shift) int {
	switch {
	case s != (Shift{}) && method == UDH16:
		return septetsBeside(7 + s.headerSize())
	case s != (Shift{}):
		return septetsBeside(6 + s.headerSize())
	case method == UDH16:
		return capacities[e].ref16
	}
	return capacities[e].ref8
}

// septetsBeside is how many septets 140 octets hold beside a user data header (3GPP TS 23.040, 9.2.3.24).
func septetsBeside(header int) int { return (airOctets - header) * 8 / 7 }

const airOctets = 140

// Segments is a text made ready for the wire.
type Segments struct {
	Count
	Coding DataCoding
	Parts  []Segment // as many as Segments, or one with Payload
}

// Segment is one part of a text.
type Segment struct {
	Text   string
	Units  int
	Octets []byte // of the text alone, without a user data header
	Concat Concat // change it by Tie

	method Method
	coding DataCoding
	shift  Shift
	packed bool
	units  []byte // of the text, unpacked
}

// Split makes a text ready for the wire, and never cuts an escape pair or a surrogate pair.
func Split(text string, o Options) (Segments, error) {
	if o.Transliterate {
		text, o.Transliterate = Transliterate(text), false
	}
	count, err := CountText(text, o)
	if err != nil {
		return Segments{}, err
	}
	out := Segments{Count: count, Coding: o.codingOf(count.Encoding)}
	out.Parts = cut(text, count, o)
	for i := range out.Parts {
		out.Parts[i].finish(out, i, o)
	}
	return out, nil
}

func (o Options) codingOf(e Encoding) DataCoding {
	if e == UCS2 {
		return CodingUCS2
	}
	return o.Coding
}

// cut divides the text only.
func cut(text string, count Count, o Options) []Segment {
	if count.Segments == 1 || o.Method == Payload {
		return []Segment{{Text: text, Units: count.Units}}
	}
	parts := make([]Segment, 0, count.Segments)
	limit, n := count.Encoding.partLimit(o.Method, count.Shift), nationalOf(count.Shift)
	start, filled := 0, 0
	for i, r := range text {
		width := count.Encoding.width(r, n)
		if filled+width > limit {
			parts = append(parts, Segment{Text: text[start:i], Units: filled})
			start, filled = i, 0
		}
		filled += width
	}
	return append(parts, Segment{Text: text[start:], Units: filled})
}

// finish encodes a part and ties it to the others.
func (s *Segment) finish(all Segments, index int, o Options) {
	s.method, s.coding, s.shift = o.Method, all.Coding, all.Shift
	s.packed = o.Packed && all.Encoding == GSM7
	s.units = all.Encoding.appendText(make([]byte, 0, 2*s.Units), s.Text, nationalOf(all.Shift))
	var join Concat
	if len(all.Parts) > 1 {
		join = Concat{Ref: o.Ref, Total: uint8(len(all.Parts)), Number: uint8(index + 1), Wide: o.Method != UDH8}
		if o.Method == UDH8 {
			join.Ref &= 0xFF
		}
	}
	s.Tie(join)
}

// Tie makes the part one of a longer text. Packed septets begin where the user data header ends, so they move with it.
func (s *Segment) Tie(c Concat) {
	s.Concat, s.Octets = c, s.units
	if s.packed {
		s.Octets = packSeptets(s.units, fillBits(len(s.header())))
	}
}

// header is the part's user data header, or nothing.
func (s *Segment) header() []byte {
	join := s.Concat
	if s.method == SAR || s.method == Payload {
		join = Concat{}
	}
	if !join.IsPart() && s.shift == (Shift{}) {
		return nil
	}
	return appendUDH(make([]byte, 0, 1+6+2*elementSize+len(s.Octets)), join, s.shift)
}

// AirOctets is the size of the part in a short message on the air, where septets are packed.
func (s *Segment) AirOctets(e Encoding) int {
	bits := 8
	switch e {
	case GSM7, ASCII:
		bits = 7
	case UCS2:
		bits = 16
	}
	header := 8 * len(s.header())
	if s.method == SAR && s.Concat.IsPart() {
		header = 8 * 6 // which the SMSC makes
	}
	if bits == 7 {
		header = (header + 6) / 7 * 7
	}
	return (header + s.Units*bits + 7) / 8
}

// fillBits is how many bits bring packed septets to a septet boundary after a user data header.
func fillBits(header int) int { return (7 - 8*header%7) % 7 }

// Fill puts the part into a message: data_coding, text, and header or parameters. Other fields are left as they are,
// other parameters are kept.
func (s *Segment) Fill(m *Message) {
	m.DataCoding = s.coding
	m.ShortMessage = s.Octets
	if header := s.header(); header != nil {
		m.ESMClass |= ESMUDHI
		m.ShortMessage = append(header, s.Octets...)
	}
	switch {
	case s.method == Payload:
		m.ShortMessage = nil
		m.TLVs = m.TLVs.Add(TagMessagePayload, s.Octets)
	case s.method == SAR && s.Concat.IsPart():
		m.TLVs = s.Concat.appendSAR(m.TLVs)
	}
}
