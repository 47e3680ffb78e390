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
	Transliterate bool       // plain punctuation for typographic, before all else
	Method        Method
	Ref           uint16 // of the parts; unique for a source and destination while parts are in flight
}

// Count is what a text will cost.
type Count struct {
	Encoding Encoding
	Units    int // septets, octets or UTF-16 units
	Segments int // what networks charge for, also with Payload
}

// CountText tells what Split would make, without making it. It allocates nothing unless a text is transliterated.
func CountText(text string, o Options) (Count, error) {
	if o.Transliterate {
		text = Transliterate(text)
	}
	if o.Alphabet != UCS2 {
		count, ok := countIn(o.Alphabet, text, o.Method)
		if ok {
			return count, count.check()
		}
	}
	if !utf8.ValidString(text) {
		return Count{}, ErrNotUTF8
	}
	count, _ := countIn(UCS2, text, o.Method)
	return count, count.check()
}

func (c Count) check() error {
	if c.Segments > MaxParts {
		return &TooLongError{Parts: c.Segments}
	}
	return nil
}

// countIn fills parts from the front, as Split does: dividing units by the capacity would be wrong where an escape or
// a surrogate pair moves to the next part whole.
func countIn(e Encoding, text string, method Method) (Count, bool) {
	limit := e.partLimit(method)
	units, parts, filled := 0, 1, 0
	for _, r := range text {
		width := e.width(r)
		if width == 0 || r == utf8.RuneError && e != UCS2 {
			return Count{}, false
		}
		if filled+width > limit {
			parts, filled = parts+1, 0
		}
		units, filled = units+width, filled+width
	}
	if units <= capacities[e].alone {
		parts = 1
	}
	return Count{Encoding: e, Units: units, Segments: parts}, true
}

func (e Encoding) partLimit(method Method) int {
	if method == UDH16 {
		return capacities[e].ref16
	}
	return capacities[e].ref8
}

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
	Concat Concat

	method Method
	coding DataCoding
	packed bool
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
	limit := count.Encoding.partLimit(o.Method)
	start, filled := 0, 0
	for i, r := range text {
		width := count.Encoding.width(r)
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
	s.method, s.coding = o.Method, all.Coding
	if len(all.Parts) > 1 {
		s.Concat = Concat{Ref: o.Ref, Total: uint8(len(all.Parts)), Number: uint8(index + 1), Wide: o.Method != UDH8}
		if o.Method == UDH8 {
			s.Concat.Ref &= 0xFF
		}
	}
	s.Octets = all.Encoding.appendText(make([]byte, 0, 2*s.Units), s.Text)
	if o.Packed && all.Encoding == GSM7 {
		s.packed = true
		s.Octets = packSeptets(s.Octets, fillBits(s.headerSize()))
	}
}

func (s *Segment) headerSize() int {
	if !s.Concat.IsPart() || s.method == SAR {
		return 0
	}
	if s.Concat.Wide {
		return 7
	}
	return 6
}

// fillBits is how many bits bring packed septets to a septet boundary after a user data header.
func fillBits(header int) int { return (7 - 8*header%7) % 7 }

// Fill puts the part into a message: data_coding, text, and header or parameters. Other fields are left as they are,
// other parameters are kept.
func (s *Segment) Fill(m *Message) {
	m.DataCoding = s.coding
	m.ShortMessage = s.Octets
	switch {
	case s.method == Payload:
		m.ShortMessage = nil
		m.TLVs = m.TLVs.Add(TagMessagePayload, s.Octets)
	case !s.Concat.IsPart():
	case s.method == SAR:
		m.TLVs = s.Concat.appendSAR(m.TLVs)
	default:
		m.ESMClass |= ESMUDHI
		header := s.Concat.appendUDH(make([]byte, 0, 7+len(s.Octets)))
		m.ShortMessage = append(header, s.Octets...)
	}
}
