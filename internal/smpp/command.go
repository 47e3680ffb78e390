package smpp

import "fmt"

// Command is a command_id (SMPP 3.4, 5.1.2.1).
type Command uint32

// The commands this package reads and writes. Any other is framed and kept as Raw.
const (
	BindReceiver        Command = 0x00000001
	BindTransmitter     Command = 0x00000002
	SubmitSM            Command = 0x00000004
	DeliverSM           Command = 0x00000005
	Unbind              Command = 0x00000006
	BindTransceiver     Command = 0x00000009
	Outbind             Command = 0x0000000B
	EnquireLink         Command = 0x00000015
	DataSM              Command = 0x00000103
	GenericNack         Command = 0x80000000
	BindReceiverResp    Command = BindReceiver | responseBit
	BindTransmitterResp Command = BindTransmitter | responseBit
	SubmitSMResp        Command = SubmitSM | responseBit
	DeliverSMResp       Command = DeliverSM | responseBit
	UnbindResp          Command = Unbind | responseBit
	BindTransceiverResp Command = BindTransceiver | responseBit
	EnquireLinkResp     Command = EnquireLink | responseBit
	DataSMResp          Command = DataSM | responseBit
)

const responseBit Command = 0x80000000

var commandNames = map[Command]string{
	BindReceiver: "bind_receiver", BindTransmitter: "bind_transmitter", BindTransceiver: "bind_transceiver",
	SubmitSM: "submit_sm", DeliverSM: "deliver_sm", DataSM: "data_sm",
	Unbind: "unbind", Outbind: "outbind", EnquireLink: "enquire_link", GenericNack: "generic_nack",
}

// String names the command as the specification does.
func (c Command) String() string {
	if name, ok := commandNames[c]; ok {
		return name
	}
	if name, ok := commandNames[c&^responseBit]; ok && c.IsResponse() {
		return name + "_resp"
	}
	return fmt.Sprintf("command 0x%08X", uint32(c))
}

// IsResponse tells whether the command answers another one. generic_nack does.
func (c Command) IsResponse() bool { return c&responseBit != 0 }

// Response is the command that answers c.
func (c Command) Response() Command { return c | responseBit }

// IsBind tells whether the command asks for one of the three kinds of bind.
func (c Command) IsBind() bool {
	return c == BindReceiver || c == BindTransmitter || c == BindTransceiver
}

// Receives tells whether a bind of this kind may be sent deliver_sm.
func (c Command) Receives() bool { return c == BindReceiver || c == BindTransceiver }

// Transmits tells whether a bind of this kind may send submit_sm.
func (c Command) Transmits() bool { return c == BindTransmitter || c == BindTransceiver }
