package smppchannel

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// settingsWith are good settings with some of their own.
func settingsWith(more string) channel.Settings {
	if more != "" {
		more = "," + more
	}
	return channel.Settings(`{"address":"smsc.example:2775","system_id":"tidings"` + more + `}`)
}

func mustParse(t testing.TB, more string) *config {
	t.Helper()
	c, err := parse(settingsWith(more))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	phone = message.Address{Kind: message.Phone, Value: "+491701234567"}
	name  = message.Address{Kind: message.Name, Value: "Tidings"}
	short = message.Address{Kind: message.Short, Value: "12345"}
)

func one(text, encoding string) message.Outbound {
	return message.Outbound{Number: 1, Total: 1, To: phone, From: name, Content: message.Text(text), Text: text, Encoding: encoding}
}

func mustConvert(t testing.TB, c *config, m message.Outbound) *smpp.Message {
	t.Helper()
	out, failure := c.outgoing(m, time.Unix(1_700_000_000, 0))
	if failure != nil {
		t.Fatal(failure)
	}
	return &out.Message
}

func TestAddressesOnTheWire(t *testing.T) {
	own := `"source_ton":2,"source_npi":8,"dest_ton":0,"dest_npi":6`
	for _, row := range []struct {
		settings   string
		from       message.Address
		src        smpp.Address
		ton, npi   byte // of the recipient
		wantDigits string
	}{
		{"", name, smpp.Address{TON: 5, NPI: 0, Addr: "Tidings"}, 1, 1, "491701234567"},
		{"", short, smpp.Address{TON: 3, NPI: 0, Addr: "12345"}, 1, 1, "491701234567"},
		{"", phone, smpp.Address{TON: 1, NPI: 1, Addr: "491701234567"}, 1, 1, "491701234567"},
		{"", message.Address{}, smpp.Address{}, 1, 1, "491701234567"},
		{`"sender":"54321"`, message.Address{}, smpp.Address{TON: 3, NPI: 0, Addr: "54321"}, 1, 1, "491701234567"},
		{`"sender":"54321"`, name, smpp.Address{TON: 5, NPI: 0, Addr: "Tidings"}, 1, 1, "491701234567"},
		{own, short, smpp.Address{TON: 2, NPI: 8, Addr: "12345"}, 0, 6, "491701234567"},
		{own, name, smpp.Address{TON: 5, NPI: 0, Addr: "Tidings"}, 0, 6, "491701234567"},
	} {
		m := one("hi", "gsm7")
		m.From = row.from
		got := mustConvert(t, mustParse(t, row.settings), m)
		want := smpp.Address{TON: smpp.TON(row.ton), NPI: smpp.NPI(row.npi), Addr: row.wantDigits}
		if got.Source != row.src || got.Dest != want {
			t.Errorf("%s from %v: %+v to %+v", row.settings, row.from, got.Source, got.Dest)
		}
	}
	for _, to := range []message.Address{{}, {Kind: message.LID, Value: "1"}} {
		m := one("hi", "gsm7")
		m.To = to
		if _, failure := mustParse(t, "").outgoing(m, time.Now()); failure == nil || failure.Verdict != channel.Reject {
			t.Errorf("to %v: %v", to, failure)
		}
	}
}

func TestCase6c09FieldsOfAPart(t *testing.T) {
	m := one("hi", "gsm7")
	m.ValidUntil = time.Unix(1_700_000_000, 0).Add(25 * time.Hour)
	for settings, want := range map[string]string{
		"":                      "000001010000000R",
		`"validity":"absolute"`: "231115231320000+",
		`"validity":"none"`:     "",
	} {
		if got := mustConvert(t, mustParse(t, settings), m); got.ValidityPeriod != want || got.RegisteredDelivery != 1 {
			t.Errorf("%s: %q, registered %d", settings, got.ValidityPeriod, got.RegisteredDelivery)
		}
	}
	if got := mustConvert(t, mustParse(t, `"service_type":"CMT"`), one("hi", "gsm7")); got.ServiceType != "CMT" || got.ValidityPeriod != "" {
		t.Errorf("%+v", got)
	}
}

func TestCase6a11PartsAreTiedByTheMethod(t *testing.T) {
	m := one("hi", "gsm7")
	m.Number, m.Total, m.Reference = 2, 3, 0x1234
	for method, want := range map[string]smpp.Concat{
		"udh8":    {Ref: 0x34, Total: 3, Number: 2},
		"udh16":   {Ref: 0x1234, Total: 3, Number: 2, Wide: true},
		"sar":     {Ref: 0x1234, Total: 3, Number: 2, Wide: true},
		"payload": {Ref: 0x34, Total: 3, Number: 2}, // split by another method before the setting was changed
	} {
		got := mustConvert(t, mustParse(t, `"concatenation":"`+method+`"`), m)
		part := smpp.ParseText(got, smpp.Options{})
		if part.Concat != want || part.Text != "hi" {
			t.Errorf("%s: %+v", method, part)
		}
		if (got.ESMClass&smpp.ESMUDHI != 0) != (method != "sar") {
			t.Errorf("%s: esm_class %x", method, got.ESMClass)
		}
	}
}

func TestCase6a10PayloadCarriesAllInOne(t *testing.T) {
	text := strings.Repeat("a", 1000)
	split, err := Driver.Split(settingsWith(`"concatenation":"payload"`), message.Text(text))
	if err != nil || split.Total != 1 || split.Units != 1000 || split.Charged() != 7 {
		t.Fatalf("%+v %v", split, err)
	}
	for _, settings := range []string{`"concatenation":"payload"`, ""} { // the second: the setting was changed since
		got := mustConvert(t, mustParse(t, settings), one(text, "gsm7"))
		payload, _ := got.TLVs.Get(smpp.TagMessagePayload)
		if len(payload) != 1000 || len(got.ShortMessage) > 0 {
			t.Errorf("%q: payload of %d and text of %d", settings, len(payload), len(got.ShortMessage))
		}
	}
}

// The encoding is the message's, whatever the text of one part could do with, and whatever the settings say by now.
func TestCase6a12EncodingOfAPart(t *testing.T) {
	const latin1, plain, ascii, packed = `"data_coding":"latin1"`, `"transliterate":true`, `"data_coding":"ascii"`, `"packed":true`
	for _, row := range []struct {
		settings, encoding, text string
		coding                   smpp.DataCoding
		want                     string
	}{
		{"", "gsm7", "é@€", 0, "\x05\x00\x1be"},
		{"", "ucs2", "a", 8, "\x00a"},
		{"", "ucs2", "😀", 8, "\xd8\x3d\xde\x00"},
		{latin1, "latin1", "é@", 0, "\xe9@"},
		{"", "latin1", "é@", 3, "\xe9@"},          // the profile was latin1 at accept
		{latin1, "gsm7", "é@", 0, "\xe9@"},        // and the other way round
		{latin1, "gsm7", "€", 8, "\x20\xac"},      // which Latin-1 cannot say
		{plain, "gsm7", "it’s", 0, "it's"},        // transliterated at accept and now
		{"", "gsm7", "it’s", 0, "it's"},           // transliterated at accept only
		{plain, "ucs2", "я’", 8, "\x04\x4f\x00'"}, // as it was counted
		{ascii, "ascii", "a@{", 0, "a@{"},
		{ascii, "gsm7", "a@{", 0, "a@{"},      // the profile was gsm7 at accept
		{"", "ascii", "a@{", 0, "a\x00\x1b("}, // and the other way round
		{ascii, "ascii", "é", 8, "\x00\xe9"},  // cannot come from Split; it is said all the same
		{packed, "gsm7", "é@€", 0, "\x05\xc0\xa6\x0c"},
	} {
		got := mustConvert(t, mustParse(t, row.settings), one(row.text, row.encoding))
		if got.DataCoding != row.coding || string(got.ShortMessage) != row.want {
			t.Errorf("%q as %s with %s: coding %d, %x", row.text, row.encoding, row.settings, got.DataCoding, got.ShortMessage)
		}
	}
}

func TestPartThatNoLongerFitsIsRejected(t *testing.T) {
	m := one(strings.Repeat("€", 76)+"a", "gsm7") // 153 septets, and Latin-1 has no euro
	m.Number, m.Total = 1, 2
	_, failure := mustParse(t, `"data_coding":"latin1"`).outgoing(m, time.Now())
	if failure == nil || failure.Verdict != channel.Reject || failure.Code != "text_too_long" {
		t.Error(failure)
	}
	if _, failure := mustParse(t, `"concatenation":"udh16"`).outgoing(m, time.Now()); failure == nil {
		t.Error("153 septets and a header of 7 octets are 141 octets")
	}
}

// Every part that Split makes can be sent, and says what the text says.
func TestSplitAndSendAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"udh8", "udh16", "sar", "payload"}).Draw(t, "method")
		coding := rapid.SampledFrom([]string{"gsm7", "latin1", "ascii"}).Draw(t, "coding")
		more := `"concatenation":"` + method + `","data_coding":"` + coding + `"`
		if coding == "gsm7" && rapid.Bool().Draw(t, "packed") {
			more += `,"packed":true`
		}
		if coding == "gsm7" && strings.HasPrefix(method, "udh") && rapid.Bool().Draw(t, "national") {
			more += `,"national":["turkish","portuguese"]`
		}
		if rapid.Bool().Draw(t, "data") {
			more += `,"command":"data_sm"`
		}
		text := "." + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "é", "€", "{", "я", "😀", "’", "hello ", "\n", "ş", "ã", strings.Repeat("0123456789", 15), strings.Repeat("😀", 30),
		}), 0, 40).Draw(t, "text"), "")
		split, err := Driver.Split(settingsWith(more), message.Text(text))
		if err != nil {
			t.Fatal(err)
		}
		if split.Total == 1 {
			split.Texts = []string{text}
		}
		c, err := parse(settingsWith(more))
		if err != nil {
			t.Fatal(err)
		}
		var parts []smpp.Part
		for i, partText := range split.Texts {
			m := one(text, split.Encoding)
			m.Text, m.Number, m.Total, m.Reference = partText, i+1, split.Total, 7
			out, failure := c.outgoing(m, time.Now())
			if failure != nil {
				t.Fatal(failure)
			}
			if n := len(out.ShortMessage); n > 160 || split.Encoding != "gsm7" && split.Encoding != "ascii" && n > 140 {
				t.Fatalf("%d octets", n)
			}
			part := smpp.ParseText(&out.Message, c.text)
			if (part.Coding == smpp.CodingUCS2) != (split.Encoding == "ucs2") || int(max(1, part.Concat.Total)) != split.Total {
				t.Fatalf("%s of %d: %+v", split.Encoding, split.Total, part)
			}
			parts = append(parts, part)
		}
		if got := smpp.Join(parts); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestPartiesOffTheWire(t *testing.T) {
	for _, row := range []struct {
		ton    smpp.TON
		addr   string
		region string
		want   string
	}{
		{1, "491701234567", "", "+491701234567"},
		{0, "491701234567", "", "+491701234567"},
		{0, "+491701234567", "", "+491701234567"},
		{0, "01701234567", "DE", "+491701234567"},
		{2, "1701234567", "DE", "+491701234567"},
		{2, "1701234567", "", "short:1701234567"}, // nobody can tell whose national number it is
		{5, "Bank-24", "", "name:Bank-24"},
		{5, "4917012345", "", "name:4917012345"},
		{0, "INFO", "", "name:INFO"},
		{3, "12345", "", "short:12345"},
		{1, "12345", "", "short:12345"},
		{0, "1234567", "", "short:1234567"},
		{1, "2901234", "", "+2901234"},
		{0, "", "", ""},
	} {
		c := mustParse(t, `"region":"`+row.region+`"`)
		if got := c.party(smpp.Address{TON: row.ton, Addr: row.addr}); got.String() != row.want {
			t.Errorf("%d %q in %q: %s", row.ton, row.addr, row.region, got)
		}
	}
}

func sessionWith(t testing.TB, more string) *session {
	return &session{config: mustParse(t, more), env: channel.Env{Channel: 9}}
}

func TestReceipts(t *testing.T) {
	done := time.Date(2024, 1, 15, 7, 31, 0, 0, time.UTC)
	nairobi := `"time_zone":"Africa/Nairobi"`
	for _, row := range []struct {
		settings, text string
		tlvs           smpp.TLVs
		class          smpp.ESMClass
		want           message.Receipt
	}{
		{nairobi, "id:0123456789 sub:001 dlvrd:001 submit date:2401151030 done date:2401151031 stat:DELIVRD err:000 text:Hello", nil, 4, message.Receipt{
			RemoteID: "123456789", RemoteIDs: []string{"0123456789"}, Status: message.Delivered, Code: "000", At: done,
			Raw: "id:0123456789 sub:001 dlvrd:001 submit date:2401151030 done date:2401151031 stat:DELIVRD err:000 text:",
		}},
		{"", "id:A stat:EXPIRED err:003", nil, 4, message.Receipt{
			RemoteID: "a", RemoteIDs: []string{"A"}, Status: message.Failed, Reason: "expired", Code: "003", Raw: "id:A stat:EXPIRED err:003",
		}},
		{"", "id:1 stat:DELETED", nil, 4, message.Receipt{RemoteID: "1", Status: message.Failed, Reason: "undelivered", Raw: "id:1 stat:DELETED"}},
		{"", "id:1 stat:UNDELIV", nil, 4, message.Receipt{RemoteID: "1", Status: message.Failed, Reason: "undelivered", Raw: "id:1 stat:UNDELIV"}},
		{"", "id:1 stat:REJECTD", nil, 4, message.Receipt{RemoteID: "1", Status: message.Failed, Reason: "rejected", Raw: "id:1 stat:REJECTD"}},
		{"", "id:1 stat:ACCEPTD", nil, 4, message.Receipt{RemoteID: "1", Status: message.Sent, Raw: "id:1 stat:ACCEPTD"}},
		{"", "id:1 stat:FOOBAR", nil, 4, message.Receipt{RemoteID: "1", Status: message.Sent, Raw: "id:1 stat:FOOBAR"}},
		{"", "id:1 stat:DELIVRD", nil, 0x20, message.Receipt{RemoteID: "1", Status: message.Sent, Raw: "id:1 stat:DELIVRD"}},
		{"", "", smpp.TLVs(nil).AddText(smpp.TagReceiptedMessageID, "ABC").AddUint8(smpp.TagMessageState, 2), 4, message.Receipt{
			RemoteID: "abc", RemoteIDs: []string{"ABC"}, Status: message.Delivered, Raw: "receipted_message_id:ABC message_state:2",
		}},
		{`"remote_id_rule":"hex_to_dec"`, "id:870928761 stat:DELIVRD", nil, 4, message.Receipt{
			RemoteID: "870928761", RemoteIDs: []string{"33e95179"}, Status: message.Delivered, Raw: "id:870928761 stat:DELIVRD",
		}},
		{`"remote_id_rule":"dec_to_hex"`, "id:33E95179 stat:DELIVRD", nil, 4, message.Receipt{
			RemoteID: "870928761", RemoteIDs: []string{"33e95179", "33E95179"}, Status: message.Delivered, Raw: "id:33E95179 stat:DELIVRD",
		}},
	} {
		s := sessionWith(t, row.settings)
		m := &smpp.Message{ESMClass: row.class, ShortMessage: []byte(row.text), TLVs: row.tlvs, Source: smpp.Address{TON: 1, NPI: 1, Addr: "491701234567"}}
		parsed, ok := smpp.ParseReceipt(m, s.config.receipts)
		if !ok {
			t.Fatal(row.text)
		}
		row.want.Channel, row.want.To = 9, phone
		if diff := cmp.Diff(row.want, s.receipt(m, parsed)); diff != "" {
			t.Errorf("%s: %s", row.text, diff)
		}
	}
}

// An id in a receipt is found by equality with what Send returned.
func TestCase6b07To09IDsMatch(t *testing.T) {
	for _, row := range []struct{ rule, answer, receipt string }{
		{"plain", "04062581461565934000241", "4062581461565934000241"},
		{"plain", "1101C1-C9D03D-F000", "1101c1-c9d03d-f000"},
		{"plain", "0e999f21-81ef-0000", "E999F21-81EF-0000"},
		{"hex_to_dec", "33E95179", "870928761"},
		{"dec_to_hex", "870928761", "33E95179"},
	} {
		s := sessionWith(t, `"remote_id_rule":"`+row.rule+`"`)
		sent, _ := s.result(smpp.Response{Header: smpp.Header{Command: smpp.SubmitSMResp}, MessageID: row.answer})
		got := s.receipt(&smpp.Message{}, smpp.Receipt{ID: row.receipt})
		if sent == "" || sent != got.RemoteID {
			t.Errorf("%s: %q is kept as %q and told as %q", row.rule, row.answer, sent, got.RemoteID)
		}
	}
}

func TestInbound(t *testing.T) {
	us := smpp.Address{TON: 3, Addr: "12345"}
	them := smpp.Address{TON: 1, NPI: 1, Addr: "491701234567"}
	udh := append([]byte{5, 0, 3, 0xCC, 2, 1}, "part one"...)
	sar := smpp.TLVs(nil).AddUint16(smpp.TagSARRef, 0x1234).AddUint8(smpp.TagSARTotal, 3).AddUint8(smpp.TagSARSeq, 3)
	for name, row := range map[string]struct {
		settings string
		m        smpp.Message
		content  message.Content
		joint    message.Joint
	}{
		"text":    {"", smpp.Message{ShortMessage: []byte("\x05 hi")}, message.Text("é hi"), message.Joint{}},
		"latin1":  {`"data_coding":"latin1"`, smpp.Message{ShortMessage: []byte("\xe9 hi")}, message.Text("é hi"), message.Joint{}},
		"ucs2":    {"", smpp.Message{DataCoding: 8, ShortMessage: []byte("\x04\x4f")}, message.Text("я"), message.Joint{}},
		"payload": {"", smpp.Message{TLVs: smpp.TLVs(nil).Add(smpp.TagMessagePayload, []byte("hi"))}, message.Text("hi"), message.Joint{}},
		"udh":     {"", smpp.Message{ESMClass: 0x40, ShortMessage: udh}, message.Text("part one"), message.Joint{Reference: 0xCC, Total: 2, Number: 1}},
		"sar":     {"", smpp.Message{ShortMessage: []byte("end"), TLVs: sar}, message.Text("end"), message.Joint{Reference: 0x1234, Total: 3, Number: 3}},
		"spoof":   {"", smpp.Message{ShortMessage: []byte("id:1 stat:DELIVRD")}, message.Text("id:1 stat:DELIVRD"), message.Joint{}},
		"binary": {
			"",
			smpp.Message{DataCoding: 4, ShortMessage: []byte{1, 0xAB}},
			message.Content{Version: 1, Type: "binary", Text: "01ab"},
			message.Joint{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sessionWith(t, row.settings)
			row.m.Source, row.m.Dest = them, us
			if _, ok := smpp.ParseReceipt(&row.m, s.config.receipts); ok {
				t.Error("taken for a receipt")
			}
			want := message.Inbound{Channel: 9, From: phone, To: short, Content: row.content, Joint: row.joint}
			if diff := cmp.Diff(want, s.inbound(&row.m)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
