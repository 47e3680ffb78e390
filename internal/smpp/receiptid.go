package smpp

import (
	"math/big"
	"strings"
)

// IDRule says how the id in a receipt relates to the id in the answer to the submit. Both become one canonical form, so
// that they can be looked up by equality.
type IDRule uint8

// The rules. In all of them case and leading zeros mean nothing.
const (
	IDSame   IDRule = iota // the same id
	IDHexDec               // hexadecimal in the answer, decimal in the receipt
	IDDecHex               // decimal in the answer, hexadecimal in the receipt
)

// Answer is the canonical form of an id from a submit_sm_resp.
func (r IDRule) Answer(id string) string {
	if r == IDHexDec {
		return hexToDecimal(id)
	}
	return plainID(id)
}

// Receipt is the canonical form of an id from a receipt.
func (r IDRule) Receipt(id string) string {
	if r == IDDecHex {
		return hexToDecimal(id)
	}
	return plainID(id)
}

const blanks = " \t\r\n"

// plainID drops case and leading zeros. Ids are strings: some have more digits than any integer type.
func plainID(id string) string {
	id = strings.ToLower(strings.Trim(id, blanks))
	if trimmed := strings.TrimLeft(id, "0"+blanks); trimmed != "" {
		return trimmed
	}
	if id == "" {
		return ""
	}
	return "0"
}

// hexToDecimal leaves an id that is no hexadecimal number as it is, since a vendor may change its form unannounced.
func hexToDecimal(id string) string {
	id = plainID(id)
	if !isHex(id) {
		return id
	}
	n, ok := new(big.Int).SetString(id, 16)
	if !ok {
		return id
	}
	return n.String()
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != "" && len(s) <= maxMessageID
}
