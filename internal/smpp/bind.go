package smpp

import "cmp"

// Versions of the protocol as interface_version carries them (SMPP 3.4, 5.2.4).
const (
	Version33 byte = 0x33
	Version34 byte = 0x34
	Version50 byte = 0x50
)

// Limits of names in binds. The specification allows a password of 8 octets; many SMSCs give out longer ones.
const (
	maxSystemID     = 64
	maxPassword     = 64
	maxSystemType   = 12
	maxAddressRange = 40
)

// BindRequest is the body of the three bind commands (SMPP 3.4, 4.1).
type BindRequest struct {
	SystemID         string
	Password         string
	SystemType       string
	InterfaceVersion byte
	AddressRange     Address
}

func (b *BindRequest) appendTo(dst []byte, _ Command) []byte {
	dst = appendText(dst, b.SystemID)
	dst = appendText(dst, b.Password)
	dst = appendText(dst, b.SystemType)
	dst = append(dst, b.InterfaceVersion)
	return appendAddress(dst, b.AddressRange)
}

func (b *BindRequest) check(Command) error {
	return cmp.Or(
		checkText("system_id", b.SystemID, maxSystemID),
		checkText("password", b.Password, maxPassword),
		checkText("system_type", b.SystemType, maxSystemType),
		checkText("address_range", b.AddressRange.Addr, maxAddressRange),
	)
}

func decodeBindRequest(c *cursor) *BindRequest {
	return &BindRequest{
		SystemID:         c.text("system_id"),
		Password:         c.text("password"),
		SystemType:       c.text("system_type"),
		InterfaceVersion: c.octet("interface_version"),
		AddressRange:     c.address("address_range"),
	}
}

// BindResp is the body of the three bind responses (SMPP 3.4, 4.1.2).
type BindResp struct {
	SystemID string
	TLVs     TLVs
}

func (b *BindResp) appendTo(dst []byte, _ Command) []byte {
	return append(appendText(dst, b.SystemID), b.TLVs...)
}

func (b *BindResp) check(Command) error { return checkText("system_id", b.SystemID, maxSystemID) }

// decodeBindResp never fails, as a refused bind often has no body.
func decodeBindResp(c *cursor) *BindResp {
	r := MessageResp{}
	r.decode(c.rest)
	return &BindResp{SystemID: r.MessageID, TLVs: r.TLVs}
}

// OutbindRequest is the body of outbind: an SMSC asks the ESME to bind as receiver (SMPP 3.4, 4.1.7).
type OutbindRequest struct {
	SystemID string
	Password string
}

func (o *OutbindRequest) appendTo(dst []byte, _ Command) []byte {
	return appendText(appendText(dst, o.SystemID), o.Password)
}

func (o *OutbindRequest) check(Command) error {
	return cmp.Or(checkText("system_id", o.SystemID, maxSystemID), checkText("password", o.Password, maxPassword))
}
