package contact

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestContactsAreFoundByTheirIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		whoHas:          "SEARCH identity USING PRIMARY KEY (address=? AND account_id=?)",
		knownAs:         "SEARCH i USING PRIMARY KEY (address=?)",
		oneContact:      "SEARCH contact USING INTEGER PRIMARY KEY (rowid=?)",
		contactsOf:      "USING COVERING INDEX contact_account (account_id=? AND id<?)",
		contactsTagged:  "SEARCH k USING PRIMARY KEY (account_id=? AND tag=? AND contact_id<?)",
		contactsListed:  "SEARCH k USING PRIMARY KEY (list_id=? AND contact_id<?)",
		contactsFound:   "SEARCH k USING PRIMARY KEY (account_id=? AND term>? AND term<?)",
		emailOf:         "SEARCH t USING PRIMARY KEY (account_id=? AND term=?)",
		mergedOf:        "USING INDEX contact_merged_into (contact_id=?)",
		listsOf:         "USING INDEX contact_list_account (account_id=? AND id<?)",
		listNamed:       "contact_list_name (account_id=? AND folded=?)",
		listsWith:       "SEARCH m USING COVERING INDEX list_member_contact (contact_id=?)",
		shrinkListsOf:   "SEARCH m USING COVERING INDEX list_member_contact (contact_id=?)",
		dropShared:      "SEARCH o USING PRIMARY KEY (list_id=?)",
		contactNumbered: "USING INDEX contact_number (account_id=? AND number=?)",
		mergedNumbered:  "USING INDEX contact_merged_number (account_id=? AND number=?)",
		listNumbered:    "USING INDEX contact_list_number (account_id=? AND number=?)",
		isMember:        "USING PRIMARY KEY (list_id=? AND contact_id=?)",
		membersAfter:    "SEARCH k USING PRIMARY KEY (list_id=? AND contact_id>?)",
		membersFrom:     "SEARCH k USING PRIMARY KEY (list_id=?)",
	} {
		got := storetest.Plan(t, s, query)
		if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") && query != contactsFound {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}
