package report

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestUsageIsFoundByItsIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		usageOf:   "USING PRIMARY KEY (account_id=? AND day>? AND day<?)",
		dropUsage: "usage_day (day<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
