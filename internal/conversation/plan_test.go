package conversation

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestConversationsAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		conversations:       "SEARCH k USING COVERING INDEX conversation_account (account_id=? AND at<?)",
		conversationsOf:     "USING INDEX conversation_contact (contact_id=?)",
		dropConversationsOf: "conversation_contact (contact_id=?)",
	} {
		if got := storetest.Plan(t, s, query); !strings.Contains(got, want) {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
