package message

import (
	"strings"
	"sync"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"tidings.dev/internal/fault"
)

// maxDigits is the most an international number has (ITU-T E.164, 6.2.1).
const maxDigits = 15

// ParsePhone reads a phone number as +E.164 or in the national form of the region (such as "KE"; may be empty).
// It must be possible: of a length its country uses. Whether it is in service, only the network knows.
//
// A plain +E.164 number takes a table; the library, which costs about 12 us, reads everything else.
func ParsePhone(text, region string) (Address, error) {
	if plainE164(text) {
		return Address{Phone, text}, nil
	}
	if len(text) > 64 {
		return Address{}, fault.New(fault.InvalidRecipient, "the number is too long")
	}
	n, err := phonenumbers.Parse(strings.Map(visible, text), strings.ToUpper(region))
	if err != nil || !phonenumbers.IsPossibleNumber(n) || strings.ContainsFunc(text, foreign) {
		return Address{}, fault.New(fault.InvalidRecipient, "%q is not a possible phone number", clip(text))
	}
	return Address{Phone, phonenumbers.Format(n, phonenumbers.E164)}, nil
}

// visible drops the marks of writing direction and the like that copied numbers carry.
func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// foreign tells what does not belong into one number: the library looks for the first number in a text, and leaves out what follows.
func foreign(r rune) bool {
	return !unicode.IsDigit(r) && !unicode.In(r, unicode.Zs, unicode.Pd, unicode.Cf) && !strings.ContainsRune("+\uff0b.()/", r)
}

// ParseLenient is ParsePhone for lists and programs that leave the + away: what is no number of the region is read with its country code.
func ParseLenient(text, region string) (Address, error) {
	a, err := ParsePhone(text, region)
	if err == nil || strings.HasPrefix(strings.TrimSpace(text), "+") {
		return a, err
	}
	if whole, wholeErr := ParsePhone("+"+strings.TrimSpace(text), ""); wholeErr == nil {
		return whole, nil
	}
	return a, err
}

// Country is the country of a phone number (ISO 3166), such as "KE"; empty when the number does not tell.
func Country(a Address) string {
	if a.Kind != Phone {
		return ""
	}
	if plainE164(a.Value) {
		if region := onlyCountry(a.Value); region != "" {
			return region
		}
	}
	n, err := phonenumbers.Parse(a.Value, "")
	if err != nil {
		return ""
	}
	if region := phonenumbers.GetRegionCodeForNumber(n); len(region) == 2 && region != "ZZ" {
		return region
	}
	return ""
}

// onlyCountry is the country that has the calling code of a number to itself; empty where several share it. The library, which looks at
// the whole number, costs up to 50 us.
func onlyCountry(e164 string) string {
	code := 0
	for i := 1; i <= 3; i++ {
		code = code*10 + int(e164[i]-'0')
		if region, ok := countries()[code]; ok {
			return region
		}
	}
	return ""
}

// countries tells for each calling code which country has it; empty where it is not one.
var countries = sync.OnceValue(func() map[int]string {
	table := map[int]string{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		table[code] = ""
		if regions := phonenumbers.GetRegionCodesForCountryCode(code); len(regions) == 1 && len(regions[0]) == 2 {
			table[code] = regions[0]
		}
	}
	return table
})

// lengths tells for each calling code how many digits may follow it, as a bit set.
var lengths = sync.OnceValue(func() map[int]uint32 {
	table := map[int]uint32{}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		table[code] = possibleLengths(code)
	}
	return table
})

// possibleLengths asks the library, so that the table cannot differ from it.
func possibleLengths(code int) (set uint32) {
	for n := 1; n <= maxDigits; n++ {
		number := &phonenumbers.PhoneNumber{}
		cc, national := int32(code), uint64(1)
		for range n - 1 {
			national = national*10 + 2
		}
		number.CountryCode, number.NationalNumber = &cc, &national
		if phonenumbers.IsPossibleNumber(number) {
			set |= 1 << n
		}
	}
	return set
}

// plainE164 reports whether text is +digits that the table calls possible. Numbers with a zero after the calling code
// (Italy keeps it, others drop it) and everything unusual are left to the library.
func plainE164(text string) bool {
	if len(text) < 8 || len(text) > maxDigits+1 || text[0] != '+' || !allDigits(text[1:]) {
		return false
	}
	code := 0
	for i := 1; i <= 3; i++ {
		code = code*10 + int(text[i]-'0')
		if set, ok := lengths()[code]; ok {
			return text[i+1] != '0' && set&(1<<(len(text)-i-1)) != 0
		}
	}
	return false
}
