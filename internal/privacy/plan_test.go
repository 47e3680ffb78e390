package privacy

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

// What is asked goes straight to its rows, however many there are.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for query, want := range map[string][2]string{
		oneExport:      {"SEARCH export USING INTEGER PRIMARY KEY (rowid=?)", "using export_pkey"},
		exportsOf:      {"SEARCH export USING INDEX export_account (account_id=? AND id<?)", "using export_account"},
		runningExports: {"SEARCH export USING INDEX export_account (account_id=?)", "using export_account"},
		moveExport:     {"SEARCH export USING INTEGER PRIMARY KEY (rowid=?)", "using export_pkey"},
		onePiece:       {"SEARCH export_piece USING PRIMARY KEY (export_id=? AND number=?)", "using export_piece_pkey"},
		dropPieces:     {"SEARCH o USING COVERING INDEX export_expiry (expires_at<?)", "using export_expiry"},
		dropExports:    {"SEARCH o USING COVERING INDEX export_expiry (expires_at<?)", "using export_expiry"},
	} {
		which := 0
		if storetest.Postgres() {
			which = 1
		}
		got := storetest.Plan(t, s, query)
		if !strings.Contains(got, want[which]) || strings.Contains(got, "SCAN export") || strings.Contains(got, "Seq Scan") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want[which])
		}
	}
}
