package smpp

import (
	"errors"
	"fmt"
	"strings"
)

// TON is a type of number (SMPP 3.4, 5.2.5).
type TON byte

// Types of number.
const (
	TONUnknown       TON = 0
	TONInternational TON = 1
	TONNational      TON = 2
	TONNetwork       TON = 3
	TONSubscriber    TON = 4
	TONAlphanumeric  TON = 5
	TONAbbreviated   TON = 6
)

// NPI is a numbering plan (SMPP 3.4, 5.2.6).
type NPI byte

// Numbering plans.
const (
	NPIUnknown  NPI = 0
	NPIISDN     NPI = 1 // E.163 and E.164
	NPIData     NPI = 3
	NPITelex    NPI = 4
	NPIMobile   NPI = 6
	NPINational NPI = 8
	NPIPrivate  NPI = 9
	NPIERMES    NPI = 10
	NPIInternet NPI = 14
	NPIWAP      NPI = 18
)

// ESMClass says what kind of message this is (SMPP 3.4, 5.2.12).
type ESMClass byte

// Bits of esm_class. The message type is in bits 2 to 5.
const (
	ESMReceipt      ESMClass = 0x04 // a delivery receipt of the SMSC
	ESMDeliveryAck  ESMClass = 0x08
	ESMManualAck    ESMClass = 0x10
	ESMIntermediate ESMClass = 0x20 // an intermediate delivery notification
	ESMUDHI         ESMClass = 0x40 // the text starts with a user data header
	ESMReplyPath    ESMClass = 0x80
)

// Values of registered_delivery (SMPP 3.4, 5.2.17).
const (
	RegisteredNone         byte = 0x00
	RegisteredFinal        byte = 0x01 // a receipt for success and failure
	RegisteredFailure      byte = 0x02
	RegisteredSuccess      byte = 0x03 // SMPP 5.0
	RegisteredIntermediate byte = 0x10 // also intermediate notifications
)

// DataCoding is the scheme of the text's octets (SMPP 3.4, 5.2.19).
type DataCoding byte

// Values of data_coding.
const (
	CodingDefault  DataCoding = 0x00 // whatever the SMSC says: GSM 03.38 or Latin-1
	CodingASCII    DataCoding = 0x01
	CodingOctets   DataCoding = 0x02
	CodingLatin1   DataCoding = 0x03
	CodingBinary   DataCoding = 0x04
	CodingCyrillic DataCoding = 0x06
	CodingHebrew   DataCoding = 0x07
	CodingUCS2     DataCoding = 0x08
)

// Address is one end of a message.
type Address struct {
	TON  TON
	NPI  NPI
	Addr string
}

// ErrAddress says that a sender or recipient cannot be put into an SMPP address.
var ErrAddress = errors.New("smpp: bad address")

// maxAlphanumeric is the GSM limit of an alphanumeric sender: 11 septets fit the address field of a short message.
const maxAlphanumeric = 11

// ParseAddress turns "+491701234567" into an international number (digits only on the wire), digits into a number of
// unknown type (short codes), and anything else of at most 11 GSM characters into an alphanumeric sender.
func ParseAddress(s string) (Address, error) {
	digits := strings.TrimPrefix(s, "+")
	if isDigits(digits) {
		if len(digits) > maxAddress {
			return Address{}, fmt.Errorf("%w: %d digits, at most %d", ErrAddress, len(digits), maxAddress)
		}
		if len(digits) < len(s) {
			return Address{TON: TONInternational, NPI: NPIISDN, Addr: digits}, nil
		}
		return Address{TON: TONUnknown, NPI: NPIISDN, Addr: digits}, nil
	}
	return alphanumeric(s)
}

func alphanumeric(s string) (Address, error) {
	octets, ok := appendGSM7(nil, s, nil)
	switch {
	case s == "":
		return Address{}, fmt.Errorf("%w: empty", ErrAddress)
	case !ok:
		return Address{}, fmt.Errorf("%w: a sender's name takes GSM characters only", ErrAddress)
	case len(octets) > maxAlphanumeric:
		return Address{}, fmt.Errorf("%w: a sender's name of %d characters, at most %d", ErrAddress, len(octets), maxAlphanumeric)
	case strings.IndexByte(s, 0) >= 0:
		return Address{}, fmt.Errorf("%w: a NUL", ErrAddress)
	}
	return Address{TON: TONAlphanumeric, NPI: NPIUnknown, Addr: s}, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// String shows a number of international type with its plus sign.
func (a Address) String() string {
	if a.TON == TONInternational && !strings.HasPrefix(a.Addr, "+") {
		return "+" + a.Addr
	}
	return a.Addr
}
