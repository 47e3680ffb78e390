package smpp

import (
	"bytes"
	"cmp"
	"fmt"
)

// Field limits of SMPP 3.4, 4.4.1 and 4.7.1, without the NUL.
const (
	maxServiceType  = 5
	maxAddress      = 20
	maxDataAddress  = 64
	maxTime         = 16
	maxShortMessage = 254
	maxMessageID    = 64
)

// Message is the body of submit_sm, deliver_sm and data_sm (SMPP 3.4, 4.4.1, 4.6.1, 4.7.1). data_sm has fewer fields
// and carries its text in the parameter message_payload.
type Message struct {
	ServiceType          string
	Source, Dest         Address
	ESMClass             ESMClass
	ProtocolID           byte
	Priority             byte
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           DataCoding
	DefaultMessageID     byte
	ShortMessage         []byte
	TLVs                 TLVs
}

// Payload is the text's octets, user data header included, wherever the PDU carries them.
func (m *Message) Payload() []byte {
	if len(m.ShortMessage) == 0 {
		if payload, ok := m.TLVs.Get(TagMessagePayload); ok {
			return payload
		}
	}
	return m.ShortMessage
}

func (m *Message) appendTo(dst []byte, c Command) []byte {
	dst = appendText(dst, m.ServiceType)
	dst = appendAddress(dst, m.Source)
	dst = appendAddress(dst, m.Dest)
	if c == DataSM {
		dst = append(dst, byte(m.ESMClass), m.RegisteredDelivery, byte(m.DataCoding))
		return append(dst, m.TLVs...)
	}
	dst = append(dst, byte(m.ESMClass), m.ProtocolID, m.Priority)
	dst = appendText(dst, m.ScheduleDeliveryTime)
	dst = appendText(dst, m.ValidityPeriod)
	dst = append(dst, m.RegisteredDelivery, m.ReplaceIfPresent, byte(m.DataCoding), m.DefaultMessageID, byte(len(m.ShortMessage)))
	dst = append(dst, m.ShortMessage...)
	return append(dst, m.TLVs...)
}

func appendAddress(dst []byte, a Address) []byte {
	return appendText(append(dst, byte(a.TON), byte(a.NPI)), a.Addr)
}

func (m *Message) check(c Command) error {
	addressLimit := maxAddress
	if c == DataSM {
		addressLimit = maxDataAddress
	}
	err := cmp.Or(
		checkText("service_type", m.ServiceType, maxServiceType),
		checkText("source_addr", m.Source.Addr, addressLimit),
		checkText("destination_addr", m.Dest.Addr, addressLimit),
		checkText("schedule_delivery_time", m.ScheduleDeliveryTime, maxTime),
		checkText("validity_period", m.ValidityPeriod, maxTime),
		checkSize(len(m.ShortMessage)+len(m.TLVs)+256),
	)
	if err == nil && len(m.ShortMessage) > maxShortMessage {
		return fmt.Errorf("%w: short_message of %d octets, at most %d", ErrInvalid, len(m.ShortMessage), maxShortMessage)
	}
	if err == nil && c == DataSM && len(m.ShortMessage) > 0 {
		return fmt.Errorf("%w: data_sm has no short_message", ErrInvalid)
	}
	return err
}

// decode fills m and names the field at which the octets ran out. Text and parameters share one copy of the frame.
func (m *Message) decode(command Command, b []byte) string {
	c := cursor{rest: b}
	m.ServiceType = c.text("service_type")
	m.Source = c.address("source_addr")
	m.Dest = c.address("destination_addr")
	m.ESMClass = ESMClass(c.octet("esm_class"))
	if command == DataSM {
		m.RegisteredDelivery = c.octet("registered_delivery")
		m.DataCoding = DataCoding(c.octet("data_coding"))
	} else {
		m.decodeRest(&c)
	}
	m.keep(TLVs(c.rest).whole())
	return c.bad
}

func (m *Message) decodeRest(c *cursor) {
	m.ProtocolID = c.octet("protocol_id")
	m.Priority = c.octet("priority_flag")
	m.ScheduleDeliveryTime = c.text("schedule_delivery_time")
	m.ValidityPeriod = c.text("validity_period")
	m.RegisteredDelivery = c.octet("registered_delivery")
	m.ReplaceIfPresent = c.octet("replace_if_present_flag")
	m.DataCoding = DataCoding(c.octet("data_coding"))
	m.DefaultMessageID = c.octet("sm_default_msg_id")
	size := int(c.octet("sm_length"))
	m.ShortMessage = c.octets(size, "short_message")
}

// keep copies text and parameters out of the read buffer in one allocation.
func (m *Message) keep(tlvs TLVs) {
	if len(m.ShortMessage)+len(tlvs) == 0 {
		m.ShortMessage = nil
		return
	}
	text := len(m.ShortMessage)
	both := append(append(make([]byte, 0, text+len(tlvs)), m.ShortMessage...), tlvs...)
	m.ShortMessage, m.TLVs = both[:text:text], nil
	if len(tlvs) > 0 {
		m.TLVs = both[text:]
	}
	if text == 0 {
		m.ShortMessage = nil
	}
}

func (c *cursor) address(field string) Address {
	return Address{TON: TON(c.octet(field)), NPI: NPI(c.octet(field)), Addr: c.text(field)}
}

// MessageResp is the body of submit_sm_resp, deliver_sm_resp and data_sm_resp.
type MessageResp struct {
	MessageID string
	TLVs      TLVs
}

func (r *MessageResp) appendTo(dst []byte, _ Command) []byte {
	return append(appendText(dst, r.MessageID), r.TLVs...)
}

func (r *MessageResp) check(Command) error {
	return cmp.Or(checkText("message_id", r.MessageID, maxMessageID), checkSize(len(r.TLVs)+maxMessageID+1))
}

// decode never fails: a refused submit has no body at all (SMPP 3.4, 4.4.2), and an id without its NUL is still an id.
func (r *MessageResp) decode(b []byte) {
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		r.MessageID = string(b)
		return
	}
	r.MessageID = string(b[:end])
	if tlvs := TLVs(b[end+1:]).whole(); len(tlvs) > 0 {
		r.TLVs = append(TLVs(nil), tlvs...)
	}
}
