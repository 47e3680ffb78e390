package smpp

import "testing"

// A national alphabet is used where it saves a part, and each part says which.
func TestNationalAlphabets(t *testing.T) {
	for _, c := range []struct {
		name     string
		text     string
		national Languages
		shift    Shift
		parts    int
		udh      string // of the first part
	}{
		{"default alphabet", times(160, "a"), AllLanguages, Shift{}, 1, ""},
		{"Turkish, few", times(150, "a") + "ş", Turkish, Shift{Single: Turkish}, 1, "\x03\x24\x01\x01"},
		{"Turkish, many", times(155, "ı"), Turkish, Shift{Locking: Turkish}, 1, "\x03\x25\x01\x01"},
		{"Turkish, two parts", times(156, "ı"), Turkish, Shift{Locking: Turkish}, 2, "\x08\x00\x03\x07\x02\x01\x25\x01\x01"},
		{"Spanish", times(100, "a") + times(20, "á"), AllLanguages, Shift{Single: Spanish}, 1, "\x03\x24\x01\x02"},
		{"Portuguese, both tables", times(140, "ã") + "^Φ", Portuguese, Shift{Locking: Portuguese, Single: Portuguese}, 1, "\x06\x24\x01\x03\x25\x01\x03"},
		{"saves nothing", "ş", Turkish, Shift{}, 1, ""},
		{"not allowed", times(150, "a") + "ş", Spanish | Portuguese, Shift{}, 3, "\x05\x00\x03\x07\x03\x01"},
		{"cannot say it", times(150, "a") + "şя", Turkish, Shift{}, 3, "\x05\x00\x03\x07\x03\x01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{National: c.national, Ref: 7}
			got, err := Split(c.text, o)
			if err != nil || got.Shift != c.shift || len(got.Parts) != c.parts {
				t.Fatalf("%+v in %d parts: %v", got.Count, len(got.Parts), err)
			}
			m := new(Message)
			got.Parts[0].Fill(m)
			if header := string(m.ShortMessage[:min(len(m.ShortMessage), len(c.udh))]); header != c.udh || (m.ESMClass&ESMUDHI != 0) != (c.udh != "") {
				t.Errorf("header % x, class %x", header, m.ESMClass)
			}
			if text := Join(overTheWire(t, got, o)); text != c.text {
				t.Errorf("%q came back", text)
			}
		})
	}
}

func TestPartsOfANationalTextStaySeptets(t *testing.T) {
	for _, septets := range []bool{false, true} {
		got, err := Split("ş", Options{National: Turkish, Septets: septets})
		if err != nil || (got.Encoding == GSM7) != septets {
			t.Errorf("%v: %s, %v", septets, got.Encoding, err)
		}
	}
}

// Every character of every table comes back, and both tables of each language are as long as the standard's.
func TestNationalTables(t *testing.T) {
	for _, n := range nationals {
		for r, code := range n.septets {
			if back := n.rune(code&^extended, code&extended != 0); back != r {
				t.Errorf("%+v: %q became %q", n.shift, r, back)
			}
		}
	}
	for language, want := range map[Languages][2]int{Turkish: {8, 7}, Spanish: {0, 9}, Portuguese: {30, 27}} {
		if got := [2]int{len(lockingTables[language]), len(singleTables[language])}; got != want {
			t.Errorf("%d: %v characters", language, got)
		}
	}
}

// A language that is not known is read in the default alphabet.
func TestUnknownLanguages(t *testing.T) {
	for _, header := range []string{"\x03\x24\x01\x0d", "\x03\x25\x01\x00", "\x04\x25\x02\x01\x01"} {
		if p := ParseText(&Message{ESMClass: ESMUDHI, ShortMessage: []byte(header + "a\x1be")}, Options{}); p.Text != "a€" {
			t.Errorf("% x: %q", header, p.Text)
		}
	}
}
