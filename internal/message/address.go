package message

import (
	"fmt"
	"strings"

	"tidings.dev/internal/fault"
)

// AddressKind says what an address is an address of.
type AddressKind string

// The kinds of address.
const (
	Phone  AddressKind = "phone"  // +E.164
	LID    AddressKind = "lid"    // a WhatsApp linked id
	Group  AddressKind = "group"  // a WhatsApp group
	BSUID  AddressKind = "bsuid"  // a business-scoped user id
	User   AddressKind = "user"   // a user name, which its owner may change
	Name   AddressKind = "name"   // an alphanumeric sender
	Short  AddressKind = "short"  // a short code
	Erased AddressKind = "erased" // of a person whose data were erased: a mark that leads nowhere
	NoAddr AddressKind = ""       // none
)

// Address is where a message goes to or comes from.
type Address struct {
	Kind  AddressKind
	Value string // for a phone with its plus
}

// String is the address as it is stored and shown: a phone as +E.164, anything else as kind:value.
func (a Address) String() string {
	switch a.Kind {
	case Phone, NoAddr:
		return a.Value
	default:
		return string(a.Kind) + ":" + a.Value
	}
}

// ParseAddress reads what String wrote.
func ParseAddress(text string) Address {
	if text == "" {
		return Address{}
	}
	if text[0] == '+' {
		return Address{Phone, text}
	}
	kind, value, ok := strings.Cut(text, ":")
	if !ok {
		return Address{Name, text}
	}
	return Address{AddressKind(kind), value}
}

// groupHost and lidHost are how WhatsApp's own ids of groups and people end.
const (
	groupHost = "@g.us"
	lidHost   = "@lid"
	phoneHost = "@s.whatsapp.net"
)

// ParseRecipient reads who a message of a kind goes to, as a caller wrote it: a phone number, and on WhatsApp also a group
// (group:120363041234567890 or 120363041234567890@g.us) or a person without a number (lid:, bsuid:).
func ParseRecipient(kind Kind, text, region string) (Address, error) {
	if kind != WhatsApp || text == "" || text[0] == '+' {
		return ParsePhone(text, region)
	}
	if number, ok := strings.CutSuffix(text, phoneHost); ok {
		return ParsePhone("+"+number, region)
	}
	a := ParseAddress(text)
	if value, ok := strings.CutSuffix(text, groupHost); ok {
		a = Address{Group, value}
	} else if value, ok := strings.CutSuffix(text, lidHost); ok {
		a = Address{LID, value}
	}
	switch a.Kind {
	case Group, LID:
		a.Value = strings.TrimSuffix(strings.TrimSuffix(a.Value, groupHost), lidHost)
		if len(a.Value) < 5 || len(a.Value) > 40 || strings.Trim(a.Value, "0123456789-") != "" {
			return Address{}, fault.New(fault.InvalidRecipient, "%q is no group or person of WhatsApp", clip(text))
		}
		return a, nil
	case BSUID:
		if len(a.Value) < 3 || len(a.Value) > 140 || strings.ContainsFunc(a.Value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Address{}, fault.New(fault.InvalidRecipient, "%q is no person of WhatsApp", clip(text))
		}
		return a, nil
	default:
		return ParsePhone(text, region)
	}
}

// Display is the address in the words of a person: without the kind of a sender's name or short code.
func (a Address) Display() string {
	if a.Kind == Name || a.Kind == Short {
		return a.Value
	}
	return a.String()
}

// ParseSender reads the sender a caller wrote: a phone number, a short code of 3 to 8 digits, or a name of 1 to 11
// characters of the GSM alphabet's letters, digits and - _ . & with at least one letter (SMPP 3.4, 5.2.5: TON 5).
func ParseSender(text, region string) (Address, error) {
	switch {
	case text == "":
		return Address{}, nil
	case allDigits(text) && len(text) >= 3 && len(text) <= 8:
		return Address{Short, text}, nil
	case text[0] == '+' || allDigits(text):
		phone, err := ParsePhone(text, region)
		if err != nil {
			return Address{}, fault.New(fault.InvalidSender, "the number %q is not possible", clip(text))
		}
		return phone, nil
	case !senderName(text):
		return Address{}, fault.New(fault.InvalidSender, "%q is no name of 1 to 11 letters, digits or - _ . &", clip(text))
	default:
		return Address{Name, text}, nil
	}
}

func senderName(text string) bool {
	letters := 0
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			letters++
		case c >= '0' && c <= '9' || strings.ContainsRune("-_.&", c):
		default:
			return false
		}
	}
	return letters > 0 && len(text) <= 11
}

func allDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// clip keeps an error text short whatever the caller wrote.
func clip(text string) string {
	if len(text) <= 24 {
		return text
	}
	return fmt.Sprintf("%.20s...", strings.ToValidUTF8(text[:20], ""))
}
