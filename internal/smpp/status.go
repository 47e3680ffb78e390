package smpp

import "fmt"

// Status is a command_status (SMPP 3.4, 5.1.3). It is an error, so that errors.As finds it in a wrapped one;
// use Err where StatusOK must become nil.
type Status uint32

// The statuses of SMPP 3.4 and those of 5.0 that a gateway meets.
const (
	StatusOK                     Status = 0x00
	StatusInvalidMessageLength   Status = 0x01
	StatusInvalidCommandLength   Status = 0x02
	StatusInvalidCommandID       Status = 0x03
	StatusInvalidBindStatus      Status = 0x04
	StatusAlreadyBound           Status = 0x05
	StatusInvalidPriority        Status = 0x06
	StatusInvalidRegistered      Status = 0x07
	StatusSystemError            Status = 0x08
	StatusInvalidSource          Status = 0x0A
	StatusInvalidDestination     Status = 0x0B
	StatusInvalidMessageID       Status = 0x0C
	StatusBindFailed             Status = 0x0D
	StatusInvalidPassword        Status = 0x0E
	StatusInvalidSystemID        Status = 0x0F
	StatusCancelFailed           Status = 0x11
	StatusReplaceFailed          Status = 0x13
	StatusQueueFull              Status = 0x14
	StatusInvalidServiceType     Status = 0x15
	StatusInvalidDestinations    Status = 0x33
	StatusInvalidList            Status = 0x34
	StatusInvalidDestFlag        Status = 0x40
	StatusInvalidSubmitReplace   Status = 0x42
	StatusInvalidESMClass        Status = 0x43
	StatusCannotSubmitList       Status = 0x44
	StatusSubmitFailed           Status = 0x45
	StatusInvalidSourceTON       Status = 0x48
	StatusInvalidSourceNPI       Status = 0x49
	StatusInvalidDestinationTON  Status = 0x50
	StatusInvalidDestinationNPI  Status = 0x51
	StatusInvalidSystemType      Status = 0x53
	StatusInvalidReplaceFlag     Status = 0x54
	StatusInvalidMessageCount    Status = 0x55
	StatusThrottled              Status = 0x58
	StatusInvalidSchedule        Status = 0x61
	StatusInvalidExpiry          Status = 0x62
	StatusInvalidDefaultMessage  Status = 0x63
	StatusReceiverTemporary      Status = 0x64
	StatusReceiverPermanent      Status = 0x65
	StatusReceiverReject         Status = 0x66
	StatusQueryFailed            Status = 0x67
	StatusInvalidTLVStream       Status = 0xC0
	StatusTLVNotAllowed          Status = 0xC1
	StatusInvalidTLVLength       Status = 0xC2
	StatusMissingTLV             Status = 0xC3
	StatusInvalidTLVValue        Status = 0xC4
	StatusDeliveryFailure        Status = 0xFE
	StatusUnknownError           Status = 0xFF
	StatusServiceUnauthorised    Status = 0x100
	StatusProhibited             Status = 0x101
	StatusServiceUnavailable     Status = 0x102
	StatusServiceDenied          Status = 0x103
	StatusInvalidDataCoding      Status = 0x104
	StatusInvalidSourceSubunit   Status = 0x105
	StatusInvalidDestinationUnit Status = 0x106
)

var statusNames = map[Status]string{
	StatusOK: "ESME_ROK", StatusInvalidMessageLength: "ESME_RINVMSGLEN", StatusInvalidCommandLength: "ESME_RINVCMDLEN",
	StatusInvalidCommandID: "ESME_RINVCMDID", StatusInvalidBindStatus: "ESME_RINVBNDSTS", StatusAlreadyBound: "ESME_RALYBND",
	StatusInvalidPriority: "ESME_RINVPRTFLG", StatusInvalidRegistered: "ESME_RINVREGDLVFLG", StatusSystemError: "ESME_RSYSERR",
	StatusInvalidSource: "ESME_RINVSRCADR", StatusInvalidDestination: "ESME_RINVDSTADR", StatusInvalidMessageID: "ESME_RINVMSGID",
	StatusBindFailed: "ESME_RBINDFAIL", StatusInvalidPassword: "ESME_RINVPASWD", StatusInvalidSystemID: "ESME_RINVSYSID",
	StatusCancelFailed: "ESME_RCANCELFAIL", StatusReplaceFailed: "ESME_RREPLACEFAIL", StatusQueueFull: "ESME_RMSGQFUL",
	StatusInvalidServiceType: "ESME_RINVSERTYP", StatusInvalidDestinations: "ESME_RINVNUMDESTS", StatusInvalidList: "ESME_RINVDLNAME",
	StatusInvalidDestFlag: "ESME_RINVDESTFLAG", StatusInvalidSubmitReplace: "ESME_RINVSUBREP", StatusInvalidESMClass: "ESME_RINVESMCLASS",
	StatusCannotSubmitList: "ESME_RCNTSUBDL", StatusSubmitFailed: "ESME_RSUBMITFAIL", StatusInvalidSourceTON: "ESME_RINVSRCTON",
	StatusInvalidSourceNPI: "ESME_RINVSRCNPI", StatusInvalidDestinationTON: "ESME_RINVDSTTON", StatusInvalidDestinationNPI: "ESME_RINVDSTNPI",
	StatusInvalidSystemType: "ESME_RINVSYSTYP", StatusInvalidReplaceFlag: "ESME_RINVREPFLAG", StatusInvalidMessageCount: "ESME_RINVNUMMSGS",
	StatusThrottled: "ESME_RTHROTTLED", StatusInvalidSchedule: "ESME_RINVSCHED", StatusInvalidExpiry: "ESME_RINVEXPIRY",
	StatusInvalidDefaultMessage: "ESME_RINVDFTMSGID", StatusReceiverTemporary: "ESME_RX_T_APPN", StatusReceiverPermanent: "ESME_RX_P_APPN",
	StatusReceiverReject: "ESME_RX_R_APPN", StatusQueryFailed: "ESME_RQUERYFAIL", StatusInvalidTLVStream: "ESME_RINVTLVSTREAM",
	StatusTLVNotAllowed: "ESME_RTLVNOTALLWD", StatusInvalidTLVLength: "ESME_RINVTLVLEN", StatusMissingTLV: "ESME_RMISSINGTLV",
	StatusInvalidTLVValue: "ESME_RINVTLVVAL", StatusDeliveryFailure: "ESME_RDELIVERYFAILURE", StatusUnknownError: "ESME_RUNKNOWNERR",
	StatusServiceUnauthorised: "ESME_RSERTYPUNAUTH", StatusProhibited: "ESME_RPROHIBITED", StatusServiceUnavailable: "ESME_RSERTYPUNAVAIL",
	StatusServiceDenied: "ESME_RSERTYPDENIED", StatusInvalidDataCoding: "ESME_RINVDCS",
	StatusInvalidSourceSubunit: "ESME_RINVSRCADDRSUBUNIT", StatusInvalidDestinationUnit: "ESME_RINVDSTADDRSUBUNIT",
}

// String names the status as the specification does; a vendor's own is shown as a number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status 0x%08X", uint32(s))
}

// Error is the name and the number, since operators look up either.
func (s Status) Error() string { return fmt.Sprintf("smpp: %s (0x%02X)", s.String(), uint32(s)) }

// Err is nil for StatusOK and s itself for all others.
func (s Status) Err() error {
	if s == StatusOK {
		return nil
	}
	return s
}

// Temporary tells whether the same PDU may be accepted later. The set is the one that Kannel has used for years.
func (s Status) Temporary() bool {
	switch s {
	case StatusThrottled, StatusQueueFull, StatusSystemError, StatusReceiverTemporary:
		return true
	}
	return false
}
