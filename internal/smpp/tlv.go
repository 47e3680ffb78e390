package smpp

import (
	"encoding/binary"
	"iter"
)

// Tag is the tag of an optional parameter (SMPP 3.4, 5.3.2; SMPP 5.0, 4.8.1).
type Tag uint16

// The tags that this package or its users give a meaning. Others are kept as they came.
const (
	TagDestSubunit          Tag = 0x0005
	TagReceiptedMessageID   Tag = 0x001E
	TagPrivacyIndicator     Tag = 0x0201
	TagUserMessageReference Tag = 0x0204
	TagSourcePort           Tag = 0x020A
	TagDestinationPort      Tag = 0x020B
	TagSARRef               Tag = 0x020C
	TagLanguage             Tag = 0x020D
	TagSARTotal             Tag = 0x020E
	TagSARSeq               Tag = 0x020F
	TagInterfaceVersion     Tag = 0x0210
	TagNumberOfMessages     Tag = 0x0304
	TagTimeToLive           Tag = 0x0017 // of data_sm, in seconds
	TagPayloadType          Tag = 0x0019
	TagAdditionalStatus     Tag = 0x001D
	TagNetworkErrorCode     Tag = 0x0423
	TagMessagePayload       Tag = 0x0424
	TagDeliveryFailure      Tag = 0x0425
	TagMoreMessages         Tag = 0x0426
	TagMessageState         Tag = 0x0427
	TagCongestionState      Tag = 0x0428
)

// TLVs are optional parameters in their wire form, so that unknown ones are kept and nothing is allocated for them.
type TLVs []byte

const tlvHeader = 4

// All yields tag and value of every whole parameter. A broken rest ends it: what came before is still good, and
// refusing a receipt for an octet at its end would only make the SMSC send it for ever.
func (t TLVs) All() iter.Seq2[Tag, []byte] {
	return func(yield func(Tag, []byte) bool) {
		for rest := []byte(t); len(rest) >= tlvHeader; {
			size := int(binary.BigEndian.Uint16(rest[2:]))
			if tlvHeader+size > len(rest) {
				return
			}
			if !yield(Tag(binary.BigEndian.Uint16(rest)), rest[tlvHeader:tlvHeader+size]) {
				return
			}
			rest = rest[tlvHeader+size:]
		}
	}
}

// Get is the first value with that tag.
func (t TLVs) Get(tag Tag) ([]byte, bool) {
	for rest := []byte(t); len(rest) >= tlvHeader; {
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if tlvHeader+size > len(rest) {
			break
		}
		if Tag(binary.BigEndian.Uint16(rest)) == tag {
			return rest[tlvHeader : tlvHeader+size], true
		}
		rest = rest[tlvHeader+size:]
	}
	return nil, false
}

// Uint8 is the value of a one-octet parameter.
func (t TLVs) Uint8(tag Tag) (byte, bool) {
	value, ok := t.Get(tag)
	if !ok || len(value) != 1 {
		return 0, false
	}
	return value[0], true
}

// Uint16 is the value of a two-octet parameter.
func (t TLVs) Uint16(tag Tag) (uint16, bool) {
	value, ok := t.Get(tag)
	if !ok || len(value) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(value), true
}

// Text is the value of a C-Octet string, up to its NUL if it has one.
func (t TLVs) Text(tag Tag) (string, bool) {
	value, ok := t.Get(tag)
	return string(untilNUL(value)), ok
}

// Add appends a parameter. A value is at most 65,535 octets, which any framed PDU is.
func (t TLVs) Add(tag Tag, value []byte) TLVs {
	t = binary.BigEndian.AppendUint16(t, uint16(tag))
	t = binary.BigEndian.AppendUint16(t, uint16(len(value)))
	return append(t, value...)
}

// AddUint8 appends a one-octet parameter.
func (t TLVs) AddUint8(tag Tag, value byte) TLVs {
	return append(t, byte(tag>>8), byte(tag), 0, 1, value)
}

// AddUint16 appends a two-octet parameter.
func (t TLVs) AddUint16(tag Tag, value uint16) TLVs {
	return append(t, byte(tag>>8), byte(tag), 0, 2, byte(value>>8), byte(value))
}

// AddUint32 appends a parameter of four octets.
func (t TLVs) AddUint32(tag Tag, value uint32) TLVs {
	return append(t, byte(tag>>8), byte(tag), 0, 4, byte(value>>24), byte(value>>16), byte(value>>8), byte(value))
}

// AddText appends a C-Octet string with its NUL.
func (t TLVs) AddText(tag Tag, value string) TLVs {
	t = binary.BigEndian.AppendUint16(t, uint16(tag))
	t = binary.BigEndian.AppendUint16(t, uint16(len(value)+1))
	return append(append(t, value...), 0)
}

// whole cuts off what follows the last whole parameter.
func (t TLVs) whole() TLVs {
	at := 0
	for len(t)-at >= tlvHeader {
		next := at + tlvHeader + int(binary.BigEndian.Uint16(t[at+2:]))
		if next > len(t) {
			break
		}
		at = next
	}
	return t[:at:at]
}

func untilNUL(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}
