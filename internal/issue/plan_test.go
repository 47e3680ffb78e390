package issue

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestIssuesAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		oneIssue:           "USING INTEGER PRIMARY KEY (rowid=?)",
		issuesOf:           "issue_account (account_id=? AND id<?)",
		issuesFrom:         "issue_account (account_id=?)",
		allIssues:          "USING INTEGER PRIMARY KEY (rowid<?)",
		openIssues:         "issue_open (id<?)",
		forgetIssuesAbout:  "issue_message (message_id=?)",
		forgetIssuesNaming: "(account_id=?)",
		dropOldIssues:      "USING INTEGER PRIMARY KEY",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
