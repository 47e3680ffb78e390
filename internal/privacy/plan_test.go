package privacy

import (
	"os"
	"path/filepath"
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
		expireExports:  {"SEARCH export USING INDEX export_account (account_id=?)", "using export_account"},
		oneErasure:     {"SEARCH erasure USING INTEGER PRIMARY KEY (rowid=?)", "using erasure_pkey"},
		erasuresOf:     {"SEARCH erasure USING INDEX erasure_account (account_id=? AND id<?)", "using erasure_account"},
		countErased:    {"SEARCH erasure USING INTEGER PRIMARY KEY (rowid=?)", "using erasure_pkey"},
		endErasure:     {"SEARCH erasure USING INTEGER PRIMARY KEY (rowid=?)", "using erasure_pkey"},
		dropExports:    {"SEARCH o USING COVERING INDEX export_expiry (expires_at<?)", "using export_expiry"},
	} {
		which := 0
		if storetest.Postgres() {
			which = 1
		}
		got := storetest.Plan(t, s, query)
		if !strings.Contains(got, want[which]) || strings.Contains(got, "SCAN e") || strings.Contains(got, "Seq Scan") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want[which])
		}
	}
}

// A line that a crash cut off is no order, and hides none that comes after it.
func TestTheFileOfErasuresTakesACrash(t *testing.T) {
	t.Parallel()
	o := &orders{dir: t.TempDir()}
	for i := range 3 {
		for range 2 { // an order is kept once
			if err := o.keep(order{ErasureID(i + 1), 7, "sealed"}); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.OpenFile(filepath.Join(o.dir, ordersFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("9 7 sea"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all, err := o.read()
	if err != nil || len(all) != 3 || all[0].account != 7 || all[0].sealed != "sealed" {
		t.Errorf("read %v, %v", all, err)
	}
	info, err := os.Stat(o.path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
