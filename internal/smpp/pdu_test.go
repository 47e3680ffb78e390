package smpp

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var examples = []PDU{
	{Header{Command: BindTransceiver, Sequence: 1}, &BindRequest{"esme", "secret", "VMA", Version34, Address{1, 1, "^49"}}},
	{Header{Command: BindReceiverResp, Sequence: 1}, &BindResp{"smsc", TLVs(nil).AddUint8(TagInterfaceVersion, Version34)}},
	{Header{Command: BindTransmitterResp, Status: StatusInvalidPassword, Sequence: 1}, &BindResp{}},
	{Header{Command: Outbind, Sequence: 1}, &OutbindRequest{"smsc", "secret"}},
	{Header{Command: SubmitSM, Sequence: 2}, &Message{
		ServiceType: "CMT", Source: Address{5, 0, "ACME"}, Dest: Address{1, 1, "491701234567"}, ESMClass: ESMUDHI, ProtocolID: 1, Priority: 2,
		ScheduleDeliveryTime: "260101000000000+", ValidityPeriod: "000001000000000R", RegisteredDelivery: 1, ReplaceIfPresent: 1,
		DataCoding: CodingUCS2, DefaultMessageID: 4, ShortMessage: []byte("\x05\x00\x03\x01\x02\x01\x00a"), TLVs: TLVs(nil).AddUint16(0x1400, 7),
	}},
	{Header{Command: DeliverSM, Sequence: 3}, &Message{Dest: Address{Addr: "1"}, ShortMessage: []byte("hello")}},
	{Header{Command: DataSM, Sequence: 4}, &Message{Source: Address{Addr: "2"}, RegisteredDelivery: 1, TLVs: TLVs(nil).Add(TagMessagePayload, []byte("hi"))}},
	{Header{Command: SubmitSMResp, Sequence: 5}, &MessageResp{MessageID: "abc", TLVs: TLVs(nil).AddText(0x1401, "x")}},
	{Header{Command: EnquireLink, Sequence: 6}, nil},
	{Header{Command: GenericNack, Status: StatusInvalidCommandID, Sequence: 7}, nil},
	{Header{Command: 0x03, Sequence: 8}, Raw("id\x00")},
}

func TestPDUsComeBackAsSent(t *testing.T) {
	for _, want := range examples {
		frame := Append(nil, want)
		got, err := Decode(frame)
		if err != nil {
			t.Errorf("%s: %v", want.Command, err)
		}
		for i := range frame {
			frame[i] = 0xEE // the PDU must not share the read buffer
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", want.Command, diff)
		}
	}
}

func TestEveryCutIsAnErrorOrShorter(t *testing.T) {
	for _, p := range examples {
		frame := Append(nil, p)
		for n := HeaderSize; n < len(frame); n++ {
			cut := append([]byte(nil), frame[:n]...)
			cut[3], cut[2] = byte(n), byte(n>>8)
			_, err := Decode(cut)
			if bodyErr := new(BodyError); err != nil && !errors.As(err, &bodyErr) {
				t.Errorf("%s cut at %d: %v", p.Command, n, err)
			}
		}
	}
}

func TestRefusalWithoutABody(t *testing.T) {
	got, err := Decode(Append(nil, PDU{Header: Header{Command: SubmitSMResp, Status: StatusThrottled, Sequence: 1}}))
	if err != nil || got.Status != StatusThrottled {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCase6c07UnknownAndBrokenTLVs(t *testing.T) {
	tlvs := TLVs(nil).Add(0x1999, []byte("vendor")).AddUint8(TagMessageState, 2)
	tlvs = append(tlvs, 0x04, 0x24, 0xFF, 0xFF, 'x') // promises more than there is
	m := to("1")
	m.TLVs = tlvs
	got, err := Decode(Append(nil, PDU{Header: Header{Command: DeliverSM}, Body: m}))
	if err != nil {
		t.Fatal(err)
	}
	kept := got.Body.(*Message).TLVs
	var tags []Tag
	for tag := range kept.All() {
		tags = append(tags, tag)
	}
	if diff := cmp.Diff([]Tag{0x1999, TagMessageState}, tags); diff != "" {
		t.Error(diff)
	}
	if state, ok := kept.Uint8(TagMessageState); !ok || state != 2 {
		t.Error(state, ok)
	}
	if _, ok := tlvs.Get(TagMessagePayload); ok {
		t.Error("read past the end")
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		StatusThrottled.Error(): "smpp: ESME_RTHROTTLED (0x58)", Status(0x500).String(): "status 0x00000500",
		SubmitSMResp.String(): "submit_sm_resp", GenericNack.String(): "generic_nack", Command(0x03).String(): "command 0x00000003",
	} {
		if text != want {
			t.Errorf("%q, not %q", text, want)
		}
	}
	if !StatusQueueFull.Temporary() || StatusInvalidDestination.Temporary() || StatusOK.Err() != nil {
		t.Error("classes of statuses")
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range examples[:2] {
			dst = Append(dst[:0], p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
