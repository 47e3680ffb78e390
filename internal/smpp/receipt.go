package smpp

import (
	"encoding/binary"
	"fmt"
	"time"
)

// State is a message_state (SMPP 3.4, 5.2.28), which is also what the words of a receipt's text say.
type State uint8

// The states. StateNone means that the receipt named none.
const (
	StateNone          State = 0
	StateEnroute       State = 1
	StateDelivered     State = 2
	StateExpired       State = 3
	StateDeleted       State = 4
	StateUndeliverable State = 5
	StateAccepted      State = 6
	StateUnknown       State = 7
	StateRejected      State = 8
)

var stateNames = [...]string{"", "enroute", "delivered", "expired", "deleted", "undeliverable", "accepted", "unknown", "rejected"}

// String is the state's name in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[StateUnknown]
}

// Final tells whether the network will say no more. Unknown is not: a word we cannot read is no failure.
func (s State) Final() bool {
	switch s {
	case StateDelivered, StateExpired, StateDeleted, StateUndeliverable, StateRejected:
		return true
	}
	return false
}

// tlvState maps message_state; 0 (scheduled) and 9 (skipped) came with SMPP 5.0.
func tlvState(b byte) State {
	switch {
	case b == 0:
		return StateEnroute
	case b == 9:
		return StateUndeliverable
	case b <= byte(StateRejected):
		return State(b)
	}
	return StateUnknown
}

// Receipt is what the SMSC says became of a message.
type Receipt struct {
	ID        string // the SMSC's id of the message, as written; match it by IDRule
	State     State
	Final     bool
	ErrorCode string    // of the vendor, as written
	Submitted time.Time // zero when not told
	Done      time.Time // zero when not told
	Text      string    // the start of the message's own text
	Raw       string    // the receipt's whole text
	Reference uint16    // user_message_reference: ours, where the SMSC repeats it
	Mismatch  bool      // text and parameters disagreed on id or state; the parameters won
}

// ReceiptOptions say how a peer writes its receipts.
type ReceiptOptions struct {
	Zone *time.Location // of the dates in the text; UTC when nil

	// AnyClass takes a message with a receipt's text as a receipt though its esm_class says it is none. Only for SMSCs
	// that leave esm_class 0: with it, anyone who can send a text can forge a receipt.
	AnyClass bool
}

// receiptClasses are the bits of esm_class that make a message a receipt.
const receiptClasses = ESMReceipt | ESMIntermediate

// ParseReceipt reads a delivery receipt in a deliver_sm or data_sm (SMPP 3.4, 5.2.12 and appendix B), and tells whether
// the message is one. A receipt that cannot be read is still a receipt: it is never taken for a person's message.
func ParseReceipt(m *Message, o ReceiptOptions) (Receipt, bool) {
	isReceipt := m.ESMClass&receiptClasses != 0
	if !isReceipt && !o.AnyClass {
		return Receipt{}, false
	}
	r := parseReceiptText(receiptText(m), o.zone())
	if !isReceipt && (r.ID == "" || r.State == StateNone) {
		return Receipt{}, false
	}
	r.applyTLVs(m.TLVs)
	if r.State == StateNone {
		r.State = StateUnknown
	}
	r.Final = r.State.Final() && m.ESMClass&ESMIntermediate == 0
	return r, true
}

func (o ReceiptOptions) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

// receiptText reads the octets as plain Latin letters, which is how SMSCs write receipts whatever their alphabet.
func receiptText(m *Message) string {
	octets := m.Payload()
	if m.ESMClass&ESMUDHI != 0 {
		_, octets = SplitUDH(octets)
	}
	if m.DataCoding == CodingUCS2 {
		return string(appendFromUTF16(nil, octets))
	}
	return string(appendFromLatin1(nil, octets))
}

// applyTLVs lets the parameters win over the text.
func (r *Receipt) applyTLVs(tlvs TLVs) {
	if id, ok := tlvs.Text(TagReceiptedMessageID); ok && id != "" {
		r.Mismatch = r.ID != "" && plainID(r.ID) != plainID(id)
		r.ID = id
	}
	if b, ok := tlvs.Uint8(TagMessageState); ok {
		state := tlvState(b)
		r.Mismatch = r.Mismatch || r.State != StateNone && r.State != state
		r.State = state
	}
	if r.ErrorCode == "" {
		r.ErrorCode = networkError(tlvs)
	}
	r.Reference, _ = tlvs.Uint16(TagUserMessageReference)
}

// networkError writes network_error_code as type and number (SMPP 3.4, 5.3.2.31).
func networkError(tlvs TLVs) string {
	value, ok := tlvs.Get(TagNetworkErrorCode)
	if !ok || len(value) != 3 {
		return ""
	}
	return fmt.Sprintf("%d-%03d", value[0], binary.BigEndian.Uint16(value[1:]))
}
