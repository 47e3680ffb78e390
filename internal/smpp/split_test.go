package smpp

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func times(n int, s string) string { return strings.Repeat(s, n) }

// The cases are those of SMPP gateways' bug trackers (test/README.md has their index); sizes were computed apart from this code.
func TestCase6a(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	cases := []struct {
		name     string
		text     string
		options  Options
		encoding Encoding
		units    int
		parts    []int
	}{
		{"01 160 letters", times(160, "a"), Options{}, GSM7, 160, []int{160}},
		{"01 161 letters", times(161, "a"), Options{}, GSM7, 161, []int{153, 8}},
		{"01 306 letters", times(306, "a"), Options{}, GSM7, 306, []int{153, 153}},
		{"01 307 letters", times(307, "a"), Options{}, GSM7, 307, []int{153, 153, 1}},
		{"01 wide reference", times(306, "a"), Options{Method: UDH16}, GSM7, 306, []int{152, 152, 2}},
		{"02 80 euros", times(80, "€"), Options{}, GSM7, 160, []int{160}},
		{"02 81 euros", times(81, "€"), Options{}, GSM7, 162, []int{152, 10}},
		{"02 euro past the single limit", times(159, "a") + "€", Options{}, GSM7, 161, []int{153, 8}},
		{"03 escape at the cut", times(152, "a") + "€" + times(10, "a"), Options{}, GSM7, 164, []int{152, 12}},
		{"03 escapes cost a part", times(152, "a") + times(77, "€"), Options{}, GSM7, 306, []int{152, 152, 2}},
		{"04 braces", times(80, "{"), Options{}, GSM7, 160, []int{160}},
		{"04 line ends", times(80, "\r\n"), Options{}, GSM7, 160, []int{160}},
		{"04 at signs", times(160, "@"), Options{}, GSM7, 160, []int{160}},
		{"04 omegas", times(160, "Ω"), Options{}, GSM7, 160, []int{160}},
		{"05 typographic apostrophe", times(70, "a") + "’", Options{}, UCS2, 71, []int{67, 4}},
		{"05 transliterated", times(70, "a") + "’", Options{Transliterate: true}, GSM7, 71, []int{71}},
		{"05 e acute", times(160, "é"), Options{}, GSM7, 160, []int{160}},
		{"05 c cedilla", times(71, "ç"), Options{}, UCS2, 71, []int{67, 4}},
		{"06 70 cyrillic", times(70, "я"), Options{}, UCS2, 70, []int{70}},
		{"06 71 cyrillic", times(71, "я"), Options{}, UCS2, 71, []int{67, 4}},
		{"06 134 cyrillic", times(134, "я"), Options{}, UCS2, 134, []int{67, 67}},
		{"06 135 cyrillic", times(135, "я"), Options{}, UCS2, 135, []int{67, 67, 1}},
		{"07 35 emoji", times(35, "😀"), Options{}, UCS2, 70, []int{70}},
		{"07 36 emoji", times(36, "😀"), Options{}, UCS2, 72, []int{66, 6}},
		{"07 emoji past the single limit", times(69, "A") + "😀", Options{}, UCS2, 71, []int{67, 4}},
		{"07 surrogates at the cut", times(66, "A") + "😀" + times(10, "A"), Options{}, UCS2, 78, []int{66, 12}},
		{"08 6 families", times(6, family), Options{}, UCS2, 66, []int{66}},
		{"08 7 families", times(7, family), Options{}, UCS2, 77, []int{66, 11}},
		{"09 766 letters", times(766, "a"), Options{}, GSM7, 766, []int{153, 153, 153, 153, 153, 1}},
		{"latin-1 profile", times(140, "ç"), Options{Alphabet: Latin1}, Latin1, 140, []int{140}},
		{"latin-1 profile, two", times(141, "ç"), Options{Alphabet: Latin1}, Latin1, 141, []int{134, 7}},
		{"ascii profile", times(150, "a") + times(5, "{"), Options{Alphabet: ASCII}, ASCII, 160, []int{160}},
		{"ascii profile, two", times(161, "@"), Options{Alphabet: ASCII}, ASCII, 161, []int{153, 8}},
		{"ascii has no e acute", times(71, "é"), Options{Alphabet: ASCII}, UCS2, 71, []int{67, 4}},
		{"latin-1 has no euro", "é@€", Options{Alphabet: Latin1}, UCS2, 3, []int{3}},
		{"forced UCS2", "abc", Options{Alphabet: UCS2}, UCS2, 3, []int{3}},
		{"empty", "", Options{}, GSM7, 0, []int{0}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Split(c.text, c.options)
			if err != nil {
				t.Fatal(err)
			}
			want := Count{Encoding: c.encoding, Units: c.units, Segments: len(c.parts)}
			if diff := cmp.Diff(want, got.Count); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.parts, partUnits(got)); diff != "" {
				t.Error(diff)
			}
			if counted, _ := CountText(c.text, c.options); counted != want {
				t.Errorf("CountText = %+v", counted)
			}
		})
	}
}

func partUnits(s Segments) (units []int) {
	for _, part := range s.Parts {
		units = append(units, part.Units)
	}
	return units
}

func TestCase6a05OneCharacterForcesUCS2(t *testing.T) {
	for _, r := range []string{"`", "\t", "ç", "ê", "ά", "İ", "’", "\uFFFD", "\x00"} {
		count, err := CountText("a"+r, Options{})
		if err != nil || count.Encoding != UCS2 {
			t.Errorf("%q: %v %v", r, count.Encoding, err)
		}
	}
}

func TestCase6a09TooManyParts(t *testing.T) {
	if count, err := CountText(times(39015, "a"), Options{}); err != nil || count.Segments != MaxParts {
		t.Fatalf("%+v, %v", count, err)
	}
	for _, method := range []Method{UDH8, UDH16, SAR, Payload} {
		_, err := Split(times(39016, "a"), Options{Method: method})
		if tooLong := new(TooLongError); !errors.As(err, &tooLong) {
			t.Errorf("method %d: %v", method, err)
		}
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	if _, err := Split("a\xff", Options{}); !errors.Is(err, ErrNotUTF8) {
		t.Error(err)
	}
	if _, err := CountText("a\xff", Options{Alphabet: Latin1}); !errors.Is(err, ErrNotUTF8) {
		t.Error(err)
	}
}

func TestCase6a12EncodedOctets(t *testing.T) {
	cases := []struct {
		text    string
		options Options
		coding  DataCoding
		octets  string
	}{
		{"é@€", Options{}, CodingDefault, "\x05\x00\x1b\x65"},
		{"é@", Options{Alphabet: Latin1}, CodingDefault, "\xe9@"},
		{"é@", Options{Alphabet: Latin1, Coding: CodingLatin1}, CodingLatin1, "\xe9@"},
		{"é@€", Options{Alphabet: Latin1}, CodingUCS2, "\x00\xe9\x00@\x20\xac"},
		{"a@$_{", Options{Alphabet: ASCII}, CodingDefault, "a@$_{"},
		{"é@€", Options{Alphabet: ASCII}, CodingUCS2, "\x00\xe9\x00@\x20\xac"},
		{"é@€", Options{Packed: true}, CodingDefault, "\x05\xc0\xa6\x0c"},
		{"😀", Options{}, CodingUCS2, "\xd8\x3d\xde\x00"},
		{"hellohello", Options{Packed: true}, CodingDefault, "\xe8\x32\x9b\xfd\x46\x97\xd9\xec\x37"},
		{"1234567", Options{Packed: true}, CodingDefault, "\x31\xd9\x8c\x56\xb3\xdd\x1a"},
	}
	for _, c := range cases {
		got, err := Split(c.text, c.options)
		if err != nil || got.Coding != c.coding || string(got.Parts[0].Octets) != c.octets {
			t.Errorf("%q: coding %d, % x, %v", c.text, got.Coding, got.Parts[0].Octets, err)
		}
	}
}

func fill(t *testing.T, text string, o Options) []*Message {
	t.Helper()
	segments, err := Split(text, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Message
	for i := range segments.Parts {
		m := new(Message)
		segments.Parts[i].Fill(m)
		out = append(out, m)
	}
	return out
}

func TestCase6a11UDHOnTheWire(t *testing.T) {
	parts := fill(t, times(161, "a"), Options{Ref: 0x0134})
	if got := string(parts[1].ShortMessage); got != "\x05\x00\x03\x34\x02\x02aaaaaaaa" || parts[1].ESMClass != ESMUDHI {
		t.Errorf("% x, class %x", got, parts[1].ESMClass)
	}
	parts = fill(t, times(161, "a"), Options{Method: UDH16, Ref: 0x0134})
	if got := string(parts[1].ShortMessage); got != "\x06\x08\x04\x01\x34\x02\x02aaaaaaaaa" {
		t.Errorf("% x", got)
	}
}

func TestCase6a11SAROnTheWire(t *testing.T) {
	parts := fill(t, times(161, "a"), Options{Method: SAR, Ref: 0x0134})
	want := TLVs("\x02\x0c\x00\x02\x01\x34\x02\x0e\x00\x01\x02\x02\x0f\x00\x01\x02")
	if diff := cmp.Diff(want, parts[1].TLVs); diff != "" || parts[1].ESMClass&ESMUDHI != 0 || len(parts[1].ShortMessage) != 8 {
		t.Error(diff, parts[1])
	}
}

func TestCase6a10PayloadOnTheWire(t *testing.T) {
	parts := fill(t, times(1000, "a"), Options{Method: Payload})
	payload, _ := parts[0].TLVs.Get(TagMessagePayload)
	if len(parts) != 1 || len(parts[0].ShortMessage) != 0 || len(payload) != 1000 {
		t.Errorf("%d parts, payload of %d", len(parts), len(payload))
	}
	wire := Append(nil, PDU{Header: Header{Command: SubmitSM}, Body: parts[0]})
	if p, err := Decode(wire); err != nil || len(p.Body.(*Message).ShortMessage) != 0 || len(p.Body.(*Message).Payload()) != 1000 {
		t.Errorf("%v: sm_length and payload are both there", err)
	}
	count, _ := CountText(times(1000, "a"), Options{Method: Payload})
	if count.Segments != 7 {
		t.Errorf("billed as %d", count.Segments)
	}
}

func TestNoPartExceedsAShortMessage(t *testing.T) {
	for _, text := range []string{times(500, "€"), times(500, "я"), times(333, "😀"), times(500, "a")} {
		for _, o := range []Options{{}, {Method: UDH16}, {Packed: true}, {Packed: true, Method: UDH16}, {Alphabet: Latin1}} {
			for _, m := range fill(t, text, o) {
				unpacked := m.DataCoding == CodingDefault && !o.Packed && o.Alphabet == GSM7
				if limit := 140; !unpacked && len(m.ShortMessage) > limit || len(m.ShortMessage) > 160 {
					t.Errorf("%d octets with %+v", len(m.ShortMessage), o)
				}
			}
		}
	}
}

func TestCase6a13Senders(t *testing.T) {
	good := map[string]Address{
		"+491701234567": {TONInternational, NPIISDN, "491701234567"},
		"12345":         {TONUnknown, NPIISDN, "12345"},
		"ACME Market":   {TONAlphanumeric, NPIUnknown, "ACME Market"},
	}
	for text, want := range good {
		if got, err := ParseAddress(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ACME Markets", "Ümlaut–Co", "[12345]€€€", "+1234567890123456789012"} {
		if got, err := ParseAddress(text); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestTransliterate(t *testing.T) {
	got := Transliterate("“It’s\u00A0here” – wait… `x`\tno\u200B")
	if got != `"It's here" - wait... 'x' no` {
		t.Errorf("%q", got)
	}
	if plain := "Straße 5, ça"; Transliterate(plain) != plain {
		t.Error("letters changed")
	}
}

func TestCountTextAllocatesNothing(t *testing.T) {
	text := times(300, "a") + "€"
	unicode := times(100, "я")
	if n := testing.AllocsPerRun(100, func() { _, _ = CountText(text, Options{}); _, _ = CountText(unicode, Options{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
