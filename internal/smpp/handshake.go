package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// BindConfig is what an ESME says of itself.
type BindConfig struct {
	Mode             Command // BindTransceiver (default), BindTransmitter or BindReceiver
	SystemID         string
	Password         string
	SystemType       string
	InterfaceVersion byte // default Version34
	AddressRange     Address
}

// ErrHandshake says that the peer spoke, but not as a bind goes.
var ErrHandshake = errors.New("smpp: unexpected PDU before the bind was answered")

// Bind asks the SMSC at the other end of conn for a bind and waits for its answer; ctx bounds the wait. A refusal is a
// Status within the error. Not an octet past the answer is read: a receipt may follow at once, and is the session's.
// After an error the caller closes conn.
func Bind(ctx context.Context, conn net.Conn, b BindConfig) (BindResp, error) {
	if b.Mode == 0 {
		b.Mode = BindTransceiver
	}
	if b.InterfaceVersion == 0 {
		b.InterfaceVersion = Version34
	}
	request := &BindRequest{b.SystemID, b.Password, b.SystemType, b.InterfaceVersion, b.AddressRange}
	if err := request.check(b.Mode); err != nil {
		return BindResp{}, err
	}
	release := bindToContext(ctx, conn)
	defer release()
	noDelay(conn)
	if err := writePDU(conn, PDU{Header{Command: b.Mode, Sequence: 1}, request}); err != nil {
		return BindResp{}, fmt.Errorf("bind: %w", contextFirst(ctx, err))
	}
	answer, err := awaitBindResp(conn, b.Mode)
	if err != nil {
		return BindResp{}, fmt.Errorf("bind as %q: %w", b.SystemID, contextFirst(ctx, err))
	}
	return answer, nil
}

// awaitBindResp answers an enquire_link that comes first, as some SMSCs probe every new connection.
func awaitBindResp(conn net.Conn, mode Command) (BindResp, error) {
	for {
		p, err := ReadPDU(conn)
		if err != nil {
			return BindResp{}, err
		}
		switch p.Command {
		case mode.Response(), GenericNack:
			body, _ := p.Body.(*BindResp)
			if body == nil {
				body = new(BindResp)
			}
			if p.Command == GenericNack && p.Status == StatusOK {
				p.Status = StatusBindFailed
			}
			return *body, p.Status.Err()
		case EnquireLink:
			if err := writePDU(conn, PDU{Header: Header{Command: EnquireLinkResp, Sequence: p.Sequence}}); err != nil {
				return BindResp{}, err
			}
		case Outbind: // it asks for what we do
		default:
			return BindResp{}, fmt.Errorf("%w: %s", ErrHandshake, p.Command)
		}
	}
}

// Bound is a bind that AcceptBind has granted.
type Bound struct {
	BindRequest
	Mode Command
}

// AcceptBind waits for an ESME's bind and answers it as systemID; check looks at the credentials. Any other PDU before
// the bind is refused with ESME_RINVBNDSTS. After an error the caller closes conn.
func AcceptBind(ctx context.Context, conn net.Conn, systemID string, check func(Bound) Status) (Bound, error) {
	release := bindToContext(ctx, conn)
	defer release()
	noDelay(conn)
	for {
		p, err := ReadPDU(conn)
		if err != nil {
			return Bound{}, fmt.Errorf("await bind: %w", contextFirst(ctx, err))
		}
		request, ok := p.Body.(*BindRequest)
		if !ok {
			if err := writePDU(conn, beforeBind(p.Header)); err != nil {
				return Bound{}, fmt.Errorf("await bind: %w", contextFirst(ctx, err))
			}
			continue
		}
		return answerBind(conn, Bound{*request, p.Command}, p.Sequence, systemID, check)
	}
}

func answerBind(conn net.Conn, b Bound, sequence uint32, systemID string, check func(Bound) Status) (Bound, error) {
	status := check(b)
	answer := PDU{Header: Header{Command: b.Mode.Response(), Status: status, Sequence: sequence}}
	if status == StatusOK {
		answer.Body = &BindResp{SystemID: systemID, TLVs: TLVs(nil).AddUint8(TagInterfaceVersion, Version34)}
	}
	if err := writePDU(conn, answer); err != nil {
		return Bound{}, fmt.Errorf("answer bind: %w", err)
	}
	if status != StatusOK {
		return Bound{}, fmt.Errorf("refuse bind of %q: %w", b.SystemID, status)
	}
	return b, nil
}

// beforeBind answers what is not allowed yet; enquire_link is.
func beforeBind(h Header) PDU {
	answer := Header{Command: h.Command.Response(), Status: StatusInvalidBindStatus, Sequence: h.Sequence}
	switch h.Command {
	case EnquireLink:
		answer.Status = StatusOK
	case SubmitSM, DeliverSM, DataSM, Unbind:
	default:
		answer.Command = GenericNack
	}
	return PDU{Header: answer}
}

func writePDU(conn net.Conn, p PDU) error {
	_, err := conn.Write(Append(nil, p))
	return err
}

// bindToContext makes reads and writes fail once ctx ends, until release.
func bindToContext(ctx context.Context, conn net.Conn) (release func()) {
	unhook := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { unhook() }
}

// contextFirst tells the cause rather than the deadline that it set.
func contextFirst(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
