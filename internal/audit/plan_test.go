package audit

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestTheLogIsFoundByItsIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		entriesOf:     "audit_account (account_id=? AND id>? AND id<?)",
		entriesOfAll:  "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		chainFrom:     "audit_seq (seq>?",
		oldestEntries: "audit_seq (seq>?",
		dropEntries:   "audit_seq (seq>? AND seq<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
