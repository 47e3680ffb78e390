package policy

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestRowsAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		takeBack:           "SEARCH sent_lately USING PRIMARY KEY (mark=?)",
		sentLately:         "SEARCH sent_lately USING PRIMARY KEY (mark=?)",
		dropSent:           "SEARCH o USING COVERING INDEX sent_lately_expiry (expires_at<?)",
		approved:           "INDEX registration_state (state=?)",
		countRegistrations: "COVERING INDEX registration_",
		registrationOf:     "COVERING INDEX registration_sender (account_id=? AND country=? AND sender=?)",
		registrationsOf:    "INDEX registration_account (account_id=? AND id<?)",
		registrationsOfIn:  "INDEX registration_account_state (account_id=? AND state=? AND id<?)",
		registrationsIn:    "INDEX registration_state (state=? AND id<?)",
		registrations:      "SEARCH registration USING INTEGER PRIMARY KEY (rowid<?)",
		forgetNumber:       "SEARCH policy USING PRIMARY KEY (account_id=?)",
		onePolicy:          "SEARCH policy USING PRIMARY KEY (account_id=?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
