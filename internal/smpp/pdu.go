// Package smpp speaks the Short Message Peer-to-Peer protocol 3.4 with the optional parameters of 5.0: PDUs, text
// encodings and segmentation, delivery receipts, and a windowed session that both an ESME and an SMSC can run.
package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// HeaderSize is the length of every PDU's header, and so of the shortest PDU.
const HeaderSize = 16

// MaxPDU is the longest PDU that is read or written. The longest useful one is a message_payload of 64 KiB; none in
// practice comes near, and a longer command_length is taken as a lost frame.
const MaxPDU = 64 << 10

// Header is what every PDU starts with (SMPP 3.4, 3.2).
type Header struct {
	Command  Command
	Status   Status
	Sequence uint32
}

// PDU is one protocol data unit. Body is nil where the command has none.
type PDU struct {
	Header
	Body Body
}

// Body is what follows the header: *Message, *MessageResp, *BindRequest, *BindResp, *OutbindRequest or Raw.
type Body interface {
	// appendTo adds the body in the layout that the command asks for.
	appendTo(dst []byte, c Command) []byte
	// check refuses what cannot be put on the wire unchanged.
	check(c Command) error
}

// Raw is a body of a command that this package does not know, kept as it came.
type Raw []byte

func (r Raw) appendTo(dst []byte, _ Command) []byte { return append(dst, r...) }

func (r Raw) check(Command) error { return checkSize(len(r)) }

// ErrInvalid says that a body cannot be put on the wire unchanged: a string holds a NUL or is too long for its field.
var ErrInvalid = errors.New("smpp: invalid field")

// FrameError says that the boundaries between PDUs are lost. The peer gets a generic_nack with ESME_RINVCMDLEN and the
// connection ends, since nothing after it can be read.
type FrameError struct {
	Length   uint32
	Sequence uint32
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("smpp: command_length %d is not within %d and %d", e.Length, HeaderSize, MaxPDU)
}

// BodyError says that a PDU was framed well but its body does not follow the command's layout. The session stays.
type BodyError struct {
	Header Header
	Field  string
}

func (e *BodyError) Error() string {
	return fmt.Sprintf("smpp: %s: %s cut short or too long", e.Header.Command, e.Field)
}

// Append adds the encoded PDU to dst, and allocates only when dst must grow.
func Append(dst []byte, p PDU) []byte {
	start := len(dst)
	dst = appendHeader(dst, p.Header)
	if p.Body != nil {
		dst = p.Body.appendTo(dst, p.Command)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func appendHeader(dst []byte, h Header) []byte {
	dst = append(dst, 0, 0, 0, HeaderSize)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.Command))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.Status))
	return binary.BigEndian.AppendUint32(dst, h.Sequence)
}

// Decode reads one whole PDU. The result shares nothing with frame. Its errors are *FrameError and *BodyError; with the
// latter the header is still returned, so that the peer can be answered.
func Decode(frame []byte) (PDU, error) {
	if len(frame) < HeaderSize || len(frame) > MaxPDU || binary.BigEndian.Uint32(frame) != uint32(len(frame)) {
		return PDU{}, frameError(frame)
	}
	p := PDU{Header: header(frame)}
	body, err := decodeBody(p.Header, frame[HeaderSize:])
	p.Body = body
	return p, err
}

func frameError(frame []byte) *FrameError {
	e := &FrameError{Length: uint32(len(frame))}
	if len(frame) >= 4 {
		e.Length = binary.BigEndian.Uint32(frame)
	}
	if len(frame) >= HeaderSize {
		e.Sequence = binary.BigEndian.Uint32(frame[12:])
	}
	return e
}

// header reads the fixed part; the caller has checked that it is there.
func header(frame []byte) Header {
	return Header{
		Command:  Command(binary.BigEndian.Uint32(frame[4:])),
		Status:   Status(binary.BigEndian.Uint32(frame[8:])),
		Sequence: binary.BigEndian.Uint32(frame[12:]),
	}
}

func decodeBody(h Header, b []byte) (Body, error) {
	c := cursor{rest: b}
	switch h.Command {
	case SubmitSM, DeliverSM, DataSM:
		m := new(Message)
		if field := m.decode(h.Command, b); field != "" {
			return nil, &BodyError{Header: h, Field: field}
		}
		return m, nil
	case SubmitSMResp, DeliverSMResp, DataSMResp:
		r := new(MessageResp)
		r.decode(b)
		return r, nil
	case BindReceiver, BindTransmitter, BindTransceiver:
		return orError[BindRequest](h, &c, decodeBindRequest(&c))
	case BindReceiverResp, BindTransmitterResp, BindTransceiverResp:
		return decodeBindResp(&c), nil
	case Outbind:
		return orError[OutbindRequest](h, &c, &OutbindRequest{SystemID: c.text("system_id"), Password: c.text("password")})
	case Unbind, UnbindResp, EnquireLink, EnquireLinkResp, GenericNack:
		return nil, nil
	}
	return Raw(append([]byte(nil), b...)), nil
}

// orError gives the decoded body, or an error that names the field at which the octets ran out.
func orError[T any, P interface {
	*T
	Body
}](h Header, c *cursor, body P) (Body, error) {
	if c.bad != "" {
		return nil, &BodyError{Header: h, Field: c.bad}
	}
	return body, nil
}

func checkSize(body int) error {
	if body > MaxPDU-HeaderSize {
		return fmt.Errorf("%w: a body of %d octets", ErrInvalid, body)
	}
	return nil
}
