package smpp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func receiptOf(text string, tlvs TLVs) *Message {
	return &Message{ESMClass: ESMReceipt, ShortMessage: []byte(text), TLVs: tlvs}
}

func TestCase6b(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	at := func(month time.Month, second int) time.Time {
		return time.Date(2024, month, 15, 10, 31, second, 0, berlin)
	}
	cases := []struct {
		name, text string
		want       Receipt
	}{
		{
			"01 as in appendix B", "id:0123456789 sub:001 dlvrd:001 submit date:2401151031 done date:2402151031 stat:DELIVRD err:000 text:Hello",
			Receipt{ID: "0123456789", State: StateDelivered, Final: true, ErrorCode: "000", Submitted: at(1, 0), Done: at(2, 0), Text: "Hello"},
		},
		{
			"02 seconds", "id:1 done date:240115103159 stat:DELIVRD err:69",
			Receipt{ID: "1", State: StateDelivered, Final: true, ErrorCode: "69", Done: at(1, 59)},
		},
		{
			"02 long years", "id:1 submit date:202401151031 done date:20240115103159 stat:EXPIRED err:00A",
			Receipt{ID: "1", State: StateExpired, Final: true, ErrorCode: "00A", Submitted: at(1, 0), Done: at(1, 59)},
		},
		{
			"02 capitals, spaces, NUL", "ID: 1  Stat: delivrd   Err:12345 Text:Hi\x00",
			Receipt{ID: "1", State: StateDelivered, Final: true, ErrorCode: "12345", Text: "Hi"},
		},
		{
			"02 empty fields", "id:7 sub: dlvrd: submit date: done date: stat:UNDELIV err: text:",
			Receipt{ID: "7", State: StateUndeliverable, Final: true},
		},
		{
			"03 fields in the text are not the receipt's", "id:1 stat:DELIVRD err:000 text:id:999 stat:UNDELIV",
			Receipt{ID: "1", State: StateDelivered, Final: true, ErrorCode: "000", Text: "id:999 stat:UNDELIV"},
		},
		{"05 unknown word", "id:1 stat:FOOBAR", Receipt{ID: "1", State: StateUnknown}},
		{"no state", "id:1", Receipt{ID: "1", State: StateUnknown}},
		{"unreadable", "lorem ipsum", Receipt{State: StateUnknown}},
		{"bad date", "id:1 stat:REJECTD done date:9999999999", Receipt{ID: "1", State: StateRejected, Final: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok := ParseReceipt(receiptOf(c.text, nil), ReceiptOptions{Zone: berlin})
			c.want.Raw = got.Raw
			if diff := cmp.Diff(c.want, got); diff != "" || !ok {
				t.Error(ok, diff)
			}
			if got.Raw == "" {
				t.Error("raw text lost")
			}
		})
	}
}

func TestCase6b05ReceiptStates(t *testing.T) {
	intermediate := []string{"ENROUTE", "ACCEPTD", "BUFFRED", "BUFFERD", "ACKED", "UNKNOWN", "FOOBAR"}
	for _, word := range intermediate {
		if r, _ := ParseReceipt(receiptOf("id:1 stat:"+word, nil), ReceiptOptions{}); r.Final {
			t.Errorf("%s is final", word)
		}
	}
	notice := receiptOf("id:1 stat:DELIVRD", nil)
	notice.ESMClass = ESMIntermediate
	if r, ok := ParseReceipt(notice, ReceiptOptions{}); !ok || r.Final {
		t.Errorf("%+v", r)
	}
	for state := range byte(11) {
		tlvs := TLVs(nil).AddText(TagReceiptedMessageID, "ABC").AddUint8(TagMessageState, state)
		want := []State{StateEnroute, 1, 2, 3, 4, 5, 6, 7, 8, StateUndeliverable, StateUnknown}[state]
		if r, _ := ParseReceipt(receiptOf("", tlvs), ReceiptOptions{}); r.State != want || r.ID != "ABC" || r.Mismatch {
			t.Errorf("%d: %+v", state, r)
		}
	}
}

func TestCase6b04ParametersWinOverText(t *testing.T) {
	tlvs := TLVs(nil).AddText(TagReceiptedMessageID, "0ABC").AddUint8(TagMessageState, 5).Add(TagNetworkErrorCode, []byte{3, 0, 11})
	cases := map[string]bool{"": false, "id:abc stat:UNDELIV": false, "id:abd stat:UNDELIV": true, "id:ABC stat:DELIVRD": true}
	for text, mismatch := range cases {
		r, ok := ParseReceipt(receiptOf(text, tlvs), ReceiptOptions{})
		if !ok || r.ID != "0ABC" || r.State != StateUndeliverable || r.Mismatch != mismatch || r.ErrorCode != "3-011" {
			t.Errorf("%q: %+v", text, r)
		}
	}
}

func TestCase6b06OnlyTheClassMakesAReceipt(t *testing.T) {
	m := receiptOf("id:1 stat:DELIVRD", nil)
	m.ESMClass = 0
	if _, ok := ParseReceipt(m, ReceiptOptions{}); ok {
		t.Error("a text of anybody's was taken for a receipt")
	}
	if _, ok := ParseReceipt(m, ReceiptOptions{AnyClass: true}); !ok {
		t.Error("option ignored")
	}
	m.ShortMessage = []byte("my id:1 is lost")
	if _, ok := ParseReceipt(m, ReceiptOptions{AnyClass: true}); ok {
		t.Error("a plain text was taken for a receipt")
	}
}

func TestCase6b14ReceiptInPayloadAndUCS2(t *testing.T) {
	text := "id:1 stat:DELIVRD"
	payload := &Message{ESMClass: ESMReceipt, TLVs: TLVs(nil).Add(TagMessagePayload, []byte(text))}
	wide := &Message{ESMClass: ESMReceipt, DataCoding: CodingUCS2, ShortMessage: appendUTF16(nil, text)}
	for _, m := range []*Message{payload, wide} {
		if r, ok := ParseReceipt(m, ReceiptOptions{}); !ok || r.ID != "1" || r.State != StateDelivered {
			t.Errorf("%+v", r)
		}
	}
}

func TestFormattedReceiptIsParsed(t *testing.T) {
	when := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
	want := Receipt{ID: "a1", State: StateExpired, Final: true, ErrorCode: "045", Submitted: when, Done: when, Text: "Your code is 482913."}
	got, _ := ParseReceipt(receiptOf(FormatReceipt(Receipt{
		ID: "a1", State: StateExpired, ErrorCode: "045", Submitted: when, Done: when,
		Text: "Your code is 482913. It is",
	}), nil), ReceiptOptions{})
	got.Raw = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCase6b07To09IDsMatch(t *testing.T) {
	cases := []struct {
		rule            IDRule
		answer, receipt string
	}{
		{IDHexDec, "33E95179", "870928761"},
		{IDDecHex, "870928761", "33e95179"},
		{IDSame, "04062581461565934000241", "4062581461565934000241"},
		{IDHexDec, "FFFFFFFFFFFFFFFFFFFF", "1208925819614629174706175"},
		{IDSame, "1101C1-C9D03D-F000", "1101c1-c9d03d-f000"},
		{IDSame, "0e999f21-81ef-4a", "E999F21-81EF-4A"},
		{IDHexDec, "not-hex", "NOT-HEX"},
		{IDSame, "000", "0"},
	}
	for _, c := range cases {
		if a, r := c.rule.Answer(c.answer), c.rule.Receipt(c.receipt); a != r || a == "" {
			t.Errorf("%q and %q: %q, %q", c.answer, c.receipt, a, r)
		}
	}
	if IDSame.Answer("") != "" || IDHexDec.Answer("") != "" {
		t.Error("no id became one")
	}
}

func TestCase6c10Times(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	absolute := map[string]time.Time{
		"260501123005704+": time.Date(2026, 5, 1, 12, 30, 5, 7e8, time.FixedZone("", 3600)),
		"260501123005022-": time.Date(2026, 5, 1, 12, 30, 5, 0, time.FixedZone("", -5*3600-1800)),
	}
	for text, want := range absolute {
		got, err := ParseTime(text, now)
		if err != nil || !got.Equal(want) || FormatTime(want) != text {
			t.Errorf("%s: %v, %v, %s", text, got, err, FormatTime(want))
		}
	}
	for d, text := range map[time.Duration]string{
		time.Hour:                   "000000010000000R",
		25*time.Hour + time.Minute:  "000001010100000R",
		31 * 24 * time.Hour:         "000031000000000R",
		time.Millisecond:            "000000000001000R",
		(365 + 35) * 24 * time.Hour: "010110000000000R",
	} {
		if got := FormatPeriod(d); got != text {
			t.Errorf("%v: %s", d, got)
		}
	}
	if got, err := ParseTime("000002030405000R", now); err != nil || !got.Equal(now.Add(51*time.Hour+4*time.Minute+5*time.Second)) {
		t.Error(got, err)
	}
	if odd := time.FixedZone("", 1000); FormatTime(time.Date(2026, 1, 1, 0, 16, 40, 0, odd)) != "260101000000000+" {
		t.Error("a zone off the quarter hour")
	}
	for _, bad := range []string{"", "260501123005704", "260501123005704X", "26050112300570a+", "261301123005704+", "260501123005799+"} {
		if _, err := ParseTime(bad, now); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
