package smpp

import "slices"

// Part is an inbound text or one part of it, read off the wire.
type Part struct {
	Text   string
	Concat Concat
	Coding DataCoding
	Octets []byte // as they came, without the user data header; Join needs them
	Binary bool   // the sender calls the octets data; Text is empty

	packed bool
	fill   int
	shift  *national
	read   Options
}

// ParseText reads the text of a submit_sm, deliver_sm or data_sm. Alphabet and Packed of the options say what
// data_coding 0 means at this peer.
func ParseText(m *Message, o Options) Part {
	p := Part{Coding: m.DataCoding, Octets: m.Payload(), Concat: ParseSAR(m.TLVs), read: o}
	header := 0
	if m.ESMClass&ESMUDHI != 0 {
		h, text := SplitUDH(p.Octets)
		header = len(p.Octets) - len(text)
		p.Octets, p.shift = text, nationalOf(h.Shift)
		if h.Concat.IsPart() || !p.Concat.IsPart() {
			p.Concat = h.Concat
		}
	}
	p.fill = fillBits(header)
	scheme := p.scheme()
	p.packed = o.Packed && scheme == schemeGSM7
	p.Binary = scheme == schemeBinary
	p.Text = string(scheme.appendText(nil, p.units(), p.shift))
	return p
}

// Join puts the parts of one text together in the order of their numbers; a repeated part counts once and a missing one
// leaves no mark. It joins octets, not texts: some senders cut a surrogate pair between two parts.
func Join(parts []Part) string {
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b Part) int { return int(a.Concat.Number) - int(b.Concat.Number) })
	var text, run []byte
	for i, p := range sorted {
		if i > 0 && p.Concat.IsPart() && p.Concat.Number == sorted[i-1].Concat.Number {
			continue
		}
		run = append(run, p.units()...)
		if i+1 == len(sorted) || sorted[i+1].scheme() != p.scheme() || sorted[i+1].shift != p.shift {
			text = p.scheme().appendText(text, run, p.shift)
			run = run[:0]
		}
	}
	return string(text)
}

// units are the octets with septets unpacked.
func (p Part) units() []byte {
	if p.packed {
		return unpackSeptets(p.Octets, p.fill)
	}
	return p.Octets
}

// scheme is what the octets of an inbound text mean.
type scheme uint8

const (
	schemeGSM7 scheme = iota
	schemeLatin1
	schemeUCS2
	schemeASCII
	schemeBinary
)

// scheme reads data_coding (SMPP 3.4, 5.2.19, and 3GPP TS 23.038, 4, for the values from 0x10 on).
func (p Part) scheme() scheme {
	switch p.Coding {
	case CodingDefault:
		return p.defaultScheme()
	case CodingUCS2:
		return schemeUCS2
	case CodingOctets, CodingBinary:
		return schemeBinary
	}
	switch {
	case p.Coding < 0x10:
		return schemeLatin1
	case p.Coding >= 0xF0 && p.Coding&0x04 != 0:
		return schemeBinary
	case p.Coding >= 0xF0:
		return p.defaultScheme()
	}
	return [...]scheme{p.defaultScheme(), schemeBinary, schemeUCS2, p.defaultScheme()}[p.Coding>>2&3]
}

func (p Part) defaultScheme() scheme {
	switch p.read.Alphabet {
	case Latin1:
		return schemeLatin1
	case ASCII:
		return schemeASCII
	}
	return schemeGSM7
}

func (s scheme) appendText(dst, octets []byte, n *national) []byte {
	switch s {
	case schemeGSM7:
		return appendFromGSM7(dst, octets, n)
	case schemeUCS2:
		return appendFromUTF16(dst, octets)
	case schemeLatin1, schemeASCII: // which a peer that says ASCII may well mean
		return appendFromLatin1(dst, octets)
	}
	return dst
}

func appendFromLatin1(dst, octets []byte) []byte {
	for _, c := range octets {
		dst = append(dst, string(rune(c))...)
	}
	return dst
}
