package key

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestKeysOfANameAreFoundByTheirAccount(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for _, query := range []string{olderKeys, newestKey} {
		got := storetest.Plan(t, s, query)
		if want := "api_key_account (account_id=?)"; !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("done by %s\nwant %s", got, want)
		}
	}
}

func TestExpiringKeysAreFoundByTheirEnd(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	got := storetest.Plan(t, storetest.Open(t), expiringKeys)
	if want := "api_key_expiry (expires_at>? AND expires_at<?)"; !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
		t.Errorf("done by %s\nwant %s", got, want)
	}
}
