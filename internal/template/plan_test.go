package template

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestTemplatesAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		oneTemplate:      "USING INTEGER PRIMARY KEY (rowid=?)",
		templateNumbered: "template_number (account_id=? AND number=?)",
		templateNamed:    "template_name (account_id=? AND folded=?)",
		countTemplates:   "(account_id=?)",
		templatesOf:      "template_account (account_id=? AND id<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
