package link

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestLinksAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		linkByCode:   "link_code (code=?)",
		linksOf:      "link_account (account_id=? AND id<?)",
		linksIn:      "link_message (message_id=? AND id<?)",
		oneLink:      "USING INTEGER PRIMARY KEY (rowid=?)",
		countClicks:  "USING INTEGER PRIMARY KEY (rowid=?)",
		dropLinksIn:  "link_message (message_id=?)",
		dropOldLinks: "link_since (since<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
