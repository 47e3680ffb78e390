package account

import (
	"slices"
	"strings"

	"tidings.dev/internal/fault"
)

// Right is one thing that a parent may keep a subaccount from, whoever asks in its name.
type Right string

// The rights.
const (
	AccessUsers     Right = "users"           // subaccounts
	AccessBilling   Right = "billing"         // balance, payments, prices
	AccessReporting Right = "reporting"       // usage, statistics, exports, the audit log
	AccessContacts  Right = "contacts"        // contacts, lists, opt-outs
	AccessSettings  Right = "settings"        // keys, webhooks, channels, numbers, templates, rules
	AccessSMS       Right = "sms"             // to send texts, on any network
	AccessEmail     Right = "email"           // kept for programs that set it
	AccessVoice     Right = "voice"           // to send speech
	AccessFax       Right = "fax"             // kept for programs that set it
	AccessPost      Right = "post"            // kept for programs that set it
	AccessReseller  Right = "reseller"        // kept for programs that set it
	AccessMMS       Right = "mms"             // to send SMS with media
	ShareCampaigns  Right = "share_campaigns" // kept for programs that set it
)

// AllRights lists the rights, in the order in which they are stored: a new one comes last.
var AllRights = []Right{
	AccessUsers, AccessBilling, AccessReporting, AccessContacts, AccessSettings, AccessSMS, AccessEmail, AccessVoice, AccessFax, AccessPost,
	AccessReseller, AccessMMS, ShareCampaigns,
}

// Denied are the rights that an account lacks, one bit each. The zero value lacks none.
type Denied uint32

// Has reports whether a right is among them.
func (d Denied) Has(r Right) bool {
	i := slices.Index(AllRights, r)
	return i >= 0 && d&(1<<i) != 0
}

// With is the set with a right in it, or without.
func (d Denied) With(r Right, denied bool) Denied {
	i := slices.Index(AllRights, r)
	switch {
	case i < 0:
		return d
	case denied:
		return d | 1<<i
	}
	return d &^ (1 << i)
}

// String lists the rights.
func (d Denied) String() string {
	var list []string
	for _, r := range AllRights {
		if d.Has(r) {
			list = append(list, string(r))
		}
	}
	return strings.Join(list, " ")
}

// Need is fault.ScopeMissing when the account lacks a right.
func (a *Account) Need(r Right) error {
	if a.Denied.Has(r) {
		return fault.New(fault.ScopeMissing, "the account has no access to %s", r)
	}
	return nil
}
