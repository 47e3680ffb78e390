package automation_test

import (
	"strings"
	"testing"

	"tidings.dev/internal/automation"
	"tidings.dev/internal/store/storetest"
)

func TestRulesAndBoxesAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		automation.NumberedRule: "rule_number (account_id=? AND number=?)",
		automation.RulesOf:      "rule_account (account_id=? AND id>?)",
		automation.CountRules:   "(account_id=?)",
		automation.DropPauses:   "rule_pause_until (until<?)",
		automation.BoxedAll:     "boxed_all (account_id=? AND about=? AND id>?)",
		automation.BoxedUnread:  "boxed_unread (account_id=? AND about=? AND id>?)",
		automation.BoxedPage:    "boxed_unread (account_id=? AND about=?)",
		automation.CountUnread:  "COVERING INDEX boxed_unread (account_id=? AND about=?)",
		automation.BoxedOf:      "boxed_message (message_id=? AND about=?)",
		automation.FirstAnswer:  "boxed_answers (answers=?)",
		automation.MarkBefore:   "COVERING INDEX boxed_unread (account_id=? AND about=? AND id<?)",
		automation.MarkMessage:  "boxed_message (message_id=? AND about=?)",
		automation.ForgetBoxed:  "boxed_message (message_id=?)",
		automation.DropBoxed:    "boxed_message (message_id<?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
