package gateway

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"tidings.dev/internal/store"
)

// Ten million messages are read as fast as ten, because every look finds its keys in the index that was made for it. SQLite
// knows nothing of how many rows there are, so an empty database shows it.
func TestListsGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Serve: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for query, want := range map[string]string{
		listAll:         "USING COVERING INDEX message_account (account_id=? AND id>? AND id<?)",
		listTo:          "USING COVERING INDEX message_recipient (recipient=? AND account_id=? AND id>? AND id<?)",
		listChannel:     "USING COVERING INDEX message_channel (account_id=? AND channel_id=? AND id>? AND id<?)",
		listReference:   "USING COVERING INDEX message_reference (account_id=? AND reference=? AND id>? AND id<?)",
		listStatus:      "USING COVERING INDEX message_status (account_id=? AND status=? AND id>? AND id<?)",
		listWaiting:     "SEARCH j USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		lastOutbound:    "USING INDEX message_recipient (recipient=?)",
		lastOutboundOf:  "USING INDEX message_recipient (recipient=? AND account_id=? AND id>?)",
		endedMessages:   "SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		partsByRemote:   "SEARCH p USING INDEX part_remote (channel_id=? AND remote_id=?)",
		dropOldEarly:    "early_receipt_expiry (expires_at<?)",
		dropReferences:  "reference_expiry (expires_at<?)",
		dropIdempotency: "idempotency_expiry (expires_at<?)",
	} {
		got := planOf(t, s, query)
		if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") && query != lastOutbound {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}

func planOf(t *testing.T, s *store.Store, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "$"))
	for i := range args {
		args[i] = 1
	}
	rows, err := s.Reader().QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(query, err)
	}
	defer func() { _ = rows.Close() }()
	var plan []string
	for rows.Next() {
		var a, b, c int
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}
