package smsc

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tidings.dev/internal/smpp"
)

// ReceiptForm is where a receipt says its id and state.
type ReceiptForm uint8

// The forms.
const (
	ReceiptText ReceiptForm = iota // in the text of appendix B
	ReceiptTLV                     // in parameters, with an empty text
	ReceiptBoth
)

// IDForm is how an id is written in the answer to a submit and in its receipt.
type IDForm uint8

// The forms. The last three are what ESMEs must cope with.
const (
	IDDecimal  IDForm = iota // decimal in both
	IDHex                    // hexadecimal in both, in capitals in the answer only
	IDHexDec                 // hexadecimal in the answer, decimal in the receipt
	IDDecHex                 // decimal in the answer, hexadecimal in the receipt
	IDZeroLead               // zeros lead in the answer and are missing in the receipt
)

// ids makes numbers that no earlier run has made: they count up from the time of the start, in steps far finer than
// submits come.
type ids struct {
	form IDForm
	last *atomic.Uint64
}

const idsPerMillisecond = 1_000_000

func newIDs(form IDForm) ids {
	last := new(atomic.Uint64)
	last.Store(uint64(time.Now().UnixMilli()) * idsPerMillisecond)
	return ids{form, last}
}

func (i ids) next() uint64 { return i.last.Add(1) }

func (i ids) inAnswer(id uint64) string {
	switch i.form {
	case IDHex, IDHexDec:
		return strings.ToUpper(strconv.FormatUint(id, 16))
	case IDZeroLead:
		return "00" + strconv.FormatUint(id, 10)
	}
	return strconv.FormatUint(id, 10)
}

func (i ids) inReceipt(id uint64) string {
	if i.form == IDHex || i.form == IDDecHex {
		return strconv.FormatUint(id, 16)
	}
	return strconv.FormatUint(id, 10)
}

// receipt is the deliver_sm that tells the state of a message (SMPP 3.4, appendix B).
func (s *submit) receipt(state smpp.State, delay time.Duration) *smpp.Message {
	smsc := s.bind.account.smsc
	id, form := smsc.ids.inReceipt(s.id), smsc.config.Receipts
	m := &smpp.Message{Source: s.message.Dest, Dest: s.message.Source, ESMClass: smpp.ESMReceipt}
	if ours, ok := s.message.TLVs.Uint16(smpp.TagUserMessageReference); ok {
		m.TLVs = m.TLVs.AddUint16(smpp.TagUserMessageReference, ours) // SMPP 3.4, 5.3.2.17
	}
	if form != ReceiptText {
		m.TLVs = m.TLVs.AddText(smpp.TagReceiptedMessageID, id).AddUint8(smpp.TagMessageState, byte(state))
	}
	if form != ReceiptTLV {
		m.ShortMessage = []byte(smpp.FormatReceipt(smpp.Receipt{
			ID: id, State: state, ErrorCode: errorCode(state), Submitted: s.at.UTC(), Done: s.at.Add(delay).UTC(), Text: asciiOnly(s.part.Text),
		}))
	}
	return m
}

func errorCode(state smpp.State) string {
	if state == smpp.StateDelivered {
		return "000"
	}
	return "001"
}

// asciiOnly keeps the quoted text within the octets that all alphabets share.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
