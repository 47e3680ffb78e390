package member

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestUsersAreFoundByTheirRows(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		loginByEmail: "(email=?)",
		firstLogin:   "login_account (account_id=?)",
		subaccounts:  "account_parent (parent_id=?)",
		profileOf:    "profile USING INTEGER PRIMARY KEY",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant %s", query, got, want)
		}
	}
}
