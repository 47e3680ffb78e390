package smpp

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// texts draws from what makes trouble: escapes, surrogates, letters of one alphabet only.
func texts() *rapid.Generator[string] {
	gsm := []rune("@£$¥èéùìòÇ\nØøÅåΔ_ΦΓ^{}[]~|€\\ abcXYZ0123456789")
	latin := []rune("éçêÿ¿abc ")
	mixed := []rune("я😀’a€한\uFFFD\U0010FFFF ")
	return rapid.Custom(func(t *rapid.T) string {
		letters := rapid.SampledFrom([][]rune{gsm, latin, mixed, []rune("ağışĞİŞç "), []rune("añóÁÍç€"), []rune("aãõÊâ€ºÚ`|")}).Draw(t, "alphabet")
		return string(rapid.SliceOfN(rapid.SampledFrom(letters), 0, 1200).Draw(t, "letters"))
	})
}

func options() *rapid.Generator[Options] {
	return rapid.Custom(func(t *rapid.T) Options {
		o := Options{
			Alphabet: rapid.SampledFrom([]Encoding{GSM7, Latin1, UCS2, ASCII}).Draw(t, "alphabet"),
			Method:   rapid.SampledFrom([]Method{UDH8, UDH16, SAR, Payload}).Draw(t, "method"),
			Packed:   rapid.Bool().Draw(t, "packed"),
			Ref:      rapid.Uint16().Draw(t, "ref"),
			National: Languages(rapid.IntRange(0, int(AllLanguages)).Draw(t, "national")),
			Septets:  rapid.Bool().Draw(t, "septets"),
		}
		return o
	})
}

func TestSplitAndJoinGiveBackTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, o := texts().Draw(t, "text"), options().Draw(t, "options")
		segments, err := Split(text, o)
		if err != nil {
			t.Fatal(err)
		}
		if counted, err := CountText(text, o); err != nil || counted != segments.Count {
			t.Fatalf("counted %+v, split %+v", counted, segments.Count)
		}
		parts := overTheWire(t, segments, o)
		rand.New(rand.NewPCG(uint64(o.Ref), 1)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		parts = append(parts, parts[0])
		if len(parts) == 2 {
			parts = parts[:1] // a text that stands alone has no number to tell a repetition by
		}
		if got := Join(parts); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func overTheWire(t fataler, segments Segments, o Options) (parts []Part) {
	alone := segments.Encoding.aloneLimit(segments.Shift)
	for i := range segments.Parts {
		part := &segments.Parts[i]
		if single := len(segments.Parts) == 1; o.Method != Payload && (part.Units > alone || !single && part.Units > segments.Encoding.partLimit(o.Method, segments.Shift)) {
			t.Fatalf("part of %d units", part.Units)
		}
		if octets := part.AirOctets(segments.Encoding); o.Method != Payload && octets > airOctets {
			t.Fatalf("part of %d octets on the air", octets)
		}
		m := &Message{Dest: Address{Addr: "1"}}
		part.Fill(m)
		if err := m.check(SubmitSM); err != nil {
			t.Fatalf("%v", err)
		}
		p, err := Decode(Append(nil, PDU{Header: Header{Command: SubmitSM}, Body: m}))
		if err != nil {
			t.Fatalf("%v", err)
		}
		got := ParseText(p.Body.(*Message), o)
		if got.Text != part.Text || got.Concat != part.Concat {
			t.Fatalf("part %+v came back as %+v", *part, got)
		}
		parts = append(parts, got)
	}
	return parts
}

// A pair cut by a careless sender is whole again after Join.
func TestJoinMendsACutPair(t *testing.T) {
	part := func(number byte, octets string) Part {
		return ParseText(&Message{ESMClass: ESMUDHI, DataCoding: CodingUCS2, ShortMessage: append([]byte{5, 0, 3, 9, 2, number}, octets...)}, Options{})
	}
	if got := Join([]Part{part(2, "\xde\x00\x00a"), part(1, "\x00b\xd8\x3d")}); got != "b😀a" {
		t.Errorf("%q", got)
	}
}

func TestInboundCodings(t *testing.T) {
	for _, c := range []struct {
		coding DataCoding
		octets string
		want   string
		binary bool
	}{
		{0x00, "\x05\x1b\x65\x00", "é€@", false},
		{0x01, "a@", "a@", false},
		{0x03, "\xe9", "é", false},
		{0x08, "\x04\x4f", "я", false},
		{0x04, "\x01\x02", "", true},
		{0x02, "a", "", true},
		{0x10, "\x05", "é", false},
		{0x18, "\x04\x4f", "я", false},
		{0xF0, "\x05", "é", false},
		{0xF5, "a", "", true},
		{0x00, "a\xe9", "aé", false},
		{0x00, "a\x1b", "a ", false},
		{0x00, "\x1bz", "z", false},
		{0x08, "\xd8\x3d\x00a\x00", "\uFFFDa", false},
	} {
		p := ParseText(&Message{DataCoding: c.coding, ShortMessage: []byte(c.octets)}, Options{})
		if p.Text != c.want || p.Binary != c.binary {
			t.Errorf("%x % x: %q, %v", c.coding, c.octets, p.Text, p.Binary)
		}
	}
}

func TestConcatOfAnyHeader(t *testing.T) {
	for udh, want := range map[string]Concat{
		"\x05\x00\x03\x07\x03\x02text":                         {Ref: 7, Total: 3, Number: 2},
		"\x06\x08\x04\x01\x07\x03\x02text":                     {Ref: 0x107, Total: 3, Number: 2, Wide: true},
		"\x0b\x05\x04\x00\x01\x00\x02\x00\x03\x07\x03\x02text": {Ref: 7, Total: 3, Number: 2},
		"\x05\x00\x03\x07\x03\x04text":                         {}, // past the total
		"\x05\x00\x03\x07\x03\x00text":                         {}, // parts count from 1
		"\x03\x00\x09\x07text":                                 {}, // an element longer than its header
	} {
		got, text := SplitUDH([]byte(udh))
		if got.Concat != want || string(text) != "text" {
			t.Errorf("% x: %+v, %q", udh, got, text)
		}
	}
	if _, text := SplitUDH([]byte("\x40abc")); string(text) != "\x40abc" {
		t.Error("text lost to a header that is not there")
	}
}

func TestMessagesComeBackAsSent(t *testing.T) {
	field := func(limit int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("aZ09+*")), 0, limit, limit)
	}
	address := rapid.Custom(func(t *rapid.T) Address {
		return Address{TON(rapid.Byte().Draw(t, "ton")), NPI(rapid.Byte().Draw(t, "npi")), field(maxAddress).Draw(t, "addr")}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := &Message{
			ServiceType: field(maxServiceType).Draw(t, "service"), Source: address.Draw(t, "source"), Dest: address.Draw(t, "dest"),
			ESMClass: ESMClass(rapid.Byte().Draw(t, "class")), Priority: rapid.Byte().Draw(t, "priority"), ValidityPeriod: field(maxTime).Draw(t, "validity"),
			ShortMessage: rapid.SliceOfN(rapid.Byte(), 1, maxShortMessage).Draw(t, "text"),
		}
		for _, value := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 5).Draw(t, "tlvs") {
			want.TLVs = want.TLVs.Add(Tag(rapid.Uint16().Draw(t, "tag")), value)
		}
		if err := want.check(SubmitSM); err != nil {
			t.Fatal(err)
		}
		got, err := Decode(Append(nil, PDU{Header: Header{Command: SubmitSM, Sequence: 9}, Body: want}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Body(want), got.Body); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTimesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(946771200, 3124137600).Draw(t, "seconds") // Go reads the years 69 to 99 as 19xx
		quarters := rapid.IntRange(-48, 48).Draw(t, "quarters")
		want := time.Unix(seconds, 0).In(time.FixedZone("", quarters*900))
		got, err := ParseTime(FormatTime(want), time.Time{})
		if err != nil || !got.Equal(want) {
			t.Fatalf("%v, %v: %v", want, got, err)
		}
		period := time.Duration(rapid.Int64Range(1, 31*86400).Draw(t, "period")) * time.Second
		if until, err := ParseTime(FormatPeriod(period), want.UTC()); err != nil || until.Sub(want) != period {
			t.Fatalf("%v, %v: %v", period, until.Sub(want), err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, p := range examples {
		f.Add(Append(nil, p))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, err := Decode(frame)
		if err != nil {
			return
		}
		again, err := Decode(Append(nil, p))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add("id:0123456789 sub:001 dlvrd:001 submit date:2401151030 done date:2401151031 stat:DELIVRD err:000 text:Hello", []byte(nil))
	f.Add("", []byte("\x00\x1e\x00\x04ABC\x00\x04\x27\x00\x01\x02"))
	f.Fuzz(func(t *testing.T, text string, tlvs []byte) {
		m := receiptOf(text, tlvs)
		r, ok := ParseReceipt(m, ReceiptOptions{})
		if !ok || r.State == StateNone {
			t.Fatalf("%+v", r)
		}
		if r.Final && !r.State.Final() {
			t.Fatalf("%+v is final", r)
		}
		if quoted, _ := ParseReceipt(receiptOf(text+" text:id:999 stat:UNDELIV err:1", tlvs), ReceiptOptions{}); findKey(r.Raw, receiptTextKey) < 0 &&
			!strings.HasSuffix(text, "\x00") && (quoted.ID != r.ID && r.ID != "" || quoted.State != r.State) {
			t.Fatalf("the message's own text counts: %+v became %+v", r, quoted)
		}
		for _, rule := range []IDRule{IDSame, IDHexDec, IDDecHex} {
			if once := rule.Receipt(r.ID); plainID(once) != once || rule != IDDecHex && rule.Receipt(once) != once {
				t.Fatalf("%q became %q, which is not canonical", r.ID, once)
			}
			_ = rule.Answer(r.ID)
		}
	})
}

// What FormatReceipt writes is read back, whatever the id and the text are.
func FuzzFormattedReceipt(f *testing.F) {
	f.Add("0123", "Hello stat:UNDELIV", "00A", uint8(2), int64(1_700_000_000))
	f.Add("a-b", "id:9", "", uint8(8), int64(0))
	f.Fuzz(func(t *testing.T, id, text, code string, state uint8, at int64) {
		if word := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0 }; !word(id) || !word(code) || id == "" {
			return
		}
		for _, key := range receiptKeys {
			if strings.HasPrefix(strings.ToLower(id), key) || strings.HasPrefix(strings.ToLower(code), key) {
				return // an id that looks like the next field
			}
		}
		want := Receipt{ID: id, State: State(state%8 + 1), ErrorCode: code, Text: text, Done: time.Unix(at%4e9, 0).UTC(), Submitted: time.Unix(at%4e9, 0).UTC()}
		got, ok := ParseReceipt(receiptOf(FormatReceipt(want), nil), ReceiptOptions{})
		if !ok || got.ID != id || got.State != want.State || code != "" && got.ErrorCode != code {
			t.Fatalf("%+v became %+v", want, got)
		}
	})
}

// A time that can be read is written the same way, or says the same.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{"260501123005704+", "260501123005022-", "000002030405000R", "991231235959948+", "000000000000000R"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		at, err := ParseTime(text, now)
		if err != nil || strings.HasSuffix(text, "R") {
			return
		}
		if again, err := ParseTime(FormatTime(at), now); err != nil || !again.Equal(at) {
			t.Fatalf("%s: %v became %v, %v", text, at, again, err)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("a€😀’", uint8(0), uint8(0), false, uint8(0))
	f.Add(strings.Repeat("€", 81), uint8(0), uint8(1), true, uint8(0))
	f.Add(strings.Repeat("ağış ", 40), uint8(0), uint8(1), true, uint8(7))
	f.Add(strings.Repeat("não é ", 40), uint8(0), uint8(0), false, uint8(12))
	f.Fuzz(func(t *testing.T, text string, alphabet, method uint8, packed bool, national uint8) {
		o := Options{
			Alphabet: Encoding(alphabet % 4), Method: Method(method % 4), Packed: packed,
			National: Languages(national) & AllLanguages, Septets: national&8 != 0,
		}
		segments, err := Split(text, o)
		if err != nil {
			if utf8.ValidString(text) && len(text) < 10000 {
				t.Fatal(err)
			}
			return
		}
		if o.Packed && strings.Contains(text, "\r") {
			return // a CR at the end of packed septets is the filler
		}
		if got := Join(overTheWire(t, segments, o)); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}

func FuzzInbound(f *testing.F) {
	f.Add(byte(0x40), byte(0), []byte("\x05\x00\x03\x07\x03\x02text"), []byte(nil))
	f.Fuzz(func(t *testing.T, class, coding byte, text, tlvs []byte) {
		m := &Message{ESMClass: ESMClass(class), DataCoding: DataCoding(coding), ShortMessage: text, TLVs: tlvs}
		for _, packed := range []bool{false, true} {
			p := ParseText(m, Options{Packed: packed})
			if !utf8.ValidString(p.Text) || !utf8.ValidString(Join([]Part{p, p})) {
				t.Fatalf("%q", p.Text)
			}
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add(append(request(1, "1"), request(2, "2")...), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		in := frames{source: bytes.NewReader(stream)}
		var read []byte
		for {
			frame, err := in.pop()
			if err != nil {
				return
			}
			if frame != nil {
				read = append(read, frame...)
				continue
			}
			if in.fill() != nil {
				break
			}
		}
		if !slices.Equal(read, stream[:len(read)]) {
			t.Fatal("frames are not the stream")
		}
	})
}
