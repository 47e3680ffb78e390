package native

import (
	"strings"

	"tidings.dev/internal/account"
)

// areas are what a parent keeps a subaccount from, by the first name in the path; none: nothing. What sends needs a right of its own,
// which the gateway asks for. What is not named here is a setting.
var areas = map[string]account.Right{
	"messages": none, "events": none, "media": none, "files": none, "conversations": none, "receipts": none, "health": none, "downloads": none,
	"poll": none, "links": none, "issues": none,
	"contacts": account.AccessContacts, "imports": account.AccessContacts, "lists": account.AccessContacts, "opt-outs": account.AccessContacts, "erasures": account.AccessContacts,
	"usage": account.AccessReporting, "audit": account.AccessReporting, "exports": account.AccessReporting,
	"wallet": account.AccessBilling, "prices": account.AccessBilling,
	"accounts": account.AccessUsers,
}

const none account.Right = ""

// right is what the account must have access to, besides the scope of the key. The account itself can always be read.
func (o operation) right() account.Right {
	area, rest, _ := strings.Cut(strings.TrimPrefix(o.path, "/"), "/")
	if area == "account" && rest == "" {
		return none
	}
	if right, named := areas[area]; named {
		return right
	}
	return account.AccessSettings
}
