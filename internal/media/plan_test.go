package media

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

// What is asked goes straight to its rows, however many files there are.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for query, want := range map[string][2]string{
		mediaByID:    {"SEARCH media USING INTEGER PRIMARY KEY (rowid=?)", "using media_pkey"},
		listMedia:    {"SEARCH media USING INDEX media_account (account_id=? AND id<?)", "using media_account"},
		nextMedia:    {"SEARCH media USING INDEX media_account (account_id=? AND id>? AND id<?)", "using media_account"},
		mediaByMark:  {"SEARCH media USING INDEX media_mark (mark=? AND id>?)", "using media_mark"},
		mediaByFile:  {"SEARCH media USING COVERING INDEX media_file (file=?)", "using media_file"},
		expiredMedia: {"SEARCH media USING INDEX media_expiry (expires_at>? AND expires_at<?)", "using media_expiry"},
		useMedia:     {"SEARCH media USING INTEGER PRIMARY KEY (rowid=?)", "using media_account"},
		fillMedia:    {"SEARCH media USING INTEGER PRIMARY KEY (rowid=?)", "using media_pkey"},
		dropMedia:    {"SEARCH media USING INTEGER PRIMARY KEY (rowid=?)", "using media_pkey"},
	} {
		which := 0
		if storetest.Postgres() {
			which = 1
		}
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want[which]) || strings.Contains(got, "SCAN media") || strings.Contains(got, "Seq Scan") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want[which])
		}
	}
}
