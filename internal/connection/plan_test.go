package connection

import (
	"strings"
	"testing"

	"tidings.dev/internal/store/storetest"
)

func TestStateIsFoundByItsIndexes(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for _, c := range []struct{ query, want string }{
		{driverState, "PRIMARY KEY (channel_id=? AND name=?)"},
		{driverStates, "PRIMARY KEY (channel_id=? AND name>? AND name<?)"},
		{dropDriverStates, "PRIMARY KEY (channel_id=?)"},
		{dropExpiredDriverStates, "driver_state_expiry (expires_at>? AND expires_at<?)"},
	} {
		if got := storetest.Plan(t, s, c.query); !strings.Contains(got, c.want) || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
			t.Errorf("done by %s\nwant %s", got, c.want)
		}
	}
}
