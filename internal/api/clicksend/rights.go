package clicksend

import (
	"strings"

	"tidings.dev/internal/account"
)

// areas are what a parent keeps a subaccount from, by how the path begins. What sends needs a right of its own, which the gateway asks
// for; the rest needs none.
var areas = []struct {
	path  string
	right account.Right
}{
	{"/v3/lists", account.AccessContacts},
	{"/v3/search/", account.AccessContacts},
	{"/v3/account/usage/", account.AccessReporting},
	{"/v3/statistics/", account.AccessReporting},
	{"/v3/sms/history/export", account.AccessReporting},
	{"/v3/subaccounts", account.AccessUsers},
	{"/v3/automations/", account.AccessSettings},
	{"/v3/sms/templates", account.AccessSettings},
}

// needs is fault.ScopeMissing when the account's parent keeps it from what is at the path.
func needs(a *account.Account, path string) error {
	for _, area := range areas {
		if strings.HasPrefix(path, area.path) {
			return a.Need(area.right)
		}
	}
	return nil
}
