package intake

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestFilesAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		oneIntake:      "SEARCH intake USING INTEGER PRIMARY KEY (rowid=?)",
		intakesOf:      "USING INDEX intake_account (account_id=? AND id<?)",
		runningIntakes: "USING COVERING INDEX intake_running (account_id=?)",
		moveIntake:     "SEARCH intake USING INTEGER PRIMARY KEY (rowid=?)",
		endIntake:      "SEARCH intake USING INTEGER PRIMARY KEY (rowid=?)",
		refusedOf:      "USING PRIMARY KEY (intake_id=? AND line>?)",
		dropRefused:    "SEARCH o USING COVERING INDEX intake_expiry (expires_at<?)",
		dropIntakes:    "SEARCH o USING COVERING INDEX intake_expiry (expires_at<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "SCAN") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}

// FuzzRows: whatever is in a file, its rows come one behind another, each on a line of its own, and there is an end.
func FuzzRows(f *testing.F) {
	f.Add([]byte("phone,name\n0701234567,Ann\n"))
	f.Add([]byte("\xef\xbb\xbf\"a\"b\n\"\n,,\r\n\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := newReader(file, []string{"phone", Skip, "first_name"}, "KE")
		last := 0
		for {
			part, err := r.some()
			if err != nil {
				t.Fatal(err)
			}
			if len(part) == 0 {
				return
			}
			for _, one := range part {
				if one.line <= last {
					t.Fatalf("line %d comes behind line %d", one.line, last)
				}
				if last = one.line; one.fault == nil && one.edit.Check() != nil {
					t.Fatal("a wrong row is let through")
				}
			}
		}
	})
}
