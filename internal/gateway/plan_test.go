package gateway

import (
	"strconv"
	"strings"
	"testing"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// Ten million messages are read as fast as ten, because every look finds its keys in the index that was made for it. SQLite
// knows nothing of how many rows there are, so an empty database shows it.
func TestListsGoStraightToTheirPlace(t *testing.T) {
	t.Parallel()
	if storetest.Postgres() {
		t.Skip("PostgreSQL tells its plans in other words")
	}
	s := storetest.Open(t)
	for query, want := range map[string]string{
		listAll:          "USING COVERING INDEX message_account (account_id=? AND id>? AND id<?)",
		listTo:           "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id>? AND message_id<?)",
		listChannel:      "USING COVERING INDEX message_channel (account_id=? AND channel_id=? AND id>? AND id<?)",
		searchAll:        "USING COVERING INDEX message_account (account_id=? AND id>? AND id<?)",
		searchTo:         "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id>? AND message_id<?)",
		listContact:      "USING COVERING INDEX message_contact (contact_id=? AND channel_id=? AND id<?)",
		listReference:    "USING COVERING INDEX message_reference (account_id=? AND reference=? AND id>? AND id<?)",
		listStatus:       "USING COVERING INDEX message_status (account_id=? AND status=? AND id>? AND id<?)",
		listWaiting:      "SEARCH k USING COVERING INDEX job_account (account_id=? AND id>? AND id<?)",
		listOut:          "USING COVERING INDEX message_status (account_id=? AND status=? AND id>? AND id<?)",
		waitingFloor:     "SEARCH job USING COVERING INDEX job_account (account_id=? AND id>? AND id<?)",
		lastOutbound:     "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=?); CORRELATED SCALAR SUBQUERY 1; SEARCH m USING INTEGER PRIMARY KEY",
		lastOutboundOf:   "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id>?)",
		oldMessages:      "SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		messagesByRemote: "INDEX part_remote (channel_id=? AND remote_id=?)",
		partsByRemote:    "INDEX part_remote (channel_id=? AND remote_id=?)",
		partsInDoubt:     "SEARCH d USING PRIMARY KEY (channel_id=? AND reference=?)",
		earlyOfChannel:   "early_receipt_channel (channel_id=? AND id<?)",
		nextAll:          "USING COVERING INDEX message_account (account_id=? AND id>? AND id<?)",
		nextTo:           "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id>? AND message_id<?)",
		nextFrom:         "USING COVERING INDEX message_sender (sender=? AND account_id=? AND id>? AND id<?)",
		eraseMessage:     "SEARCH message USING INTEGER PRIMARY KEY (rowid=?)",
		dropReference:    "SEARCH reference USING PRIMARY KEY (account_id=? AND reference=?)",
		dropPartsFrom:    "SEARCH inbound_part USING PRIMARY KEY (channel_id=? AND sender=?)",
		nextKeys:         "SEARCH idempotency USING PRIMARY KEY (account_id=? AND scope>?)",
		dropKey:          "SEARCH idempotency USING PRIMARY KEY (account_id=? AND scope=? AND key=?)",
		setOutcome:       "SEARCH idempotency USING PRIMARY KEY (account_id=? AND scope=? AND key=?)",
		answeredLately:   "SEARCH p USING INTEGER PRIMARY KEY (rowid>?); SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id>?)",
		dropDoubts:       "doubt_expiry (expires_at<?)",
		dropOldEarly:     "early_receipt_expiry (expires_at<?)",
		oldPieces:        "SEARCH index_piece USING INTEGER PRIMARY KEY (rowid<?)",
		dropRecipients:   "SEARCH k USING PRIMARY KEY (piece=? AND recipient=? AND account_id=? AND message_id=?); LIST SUBQUERY 3; SEARCH o USING PRIMARY KEY (piece=?); CORRELATED SCALAR SUBQUERY 1; SEARCH m USING INTEGER PRIMARY KEY",
		dropReferences:   "reference_expiry (expires_at<?)",
		dropIdempotency:  "idempotency_expiry (expires_at<?)",
	} {
		got := storetest.Plan(t, s, query)
		if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") && query != lastOutbound && query != answeredLately && query != listOut {
			t.Errorf("%s\nis done by %s\nwant       %s", query, got, want)
		}
	}
}

// The same on PostgreSQL, which otherwise lets what it knows of a table decide: nothing while it is new, nothing either
// of rows that nobody has counted yet, and all after that.
func TestListsGoStraightToTheirPlaceOnPostgres(t *testing.T) {
	t.Parallel()
	if !storetest.Postgres() {
		t.Skip("SQLite tells its plans in other words")
	}
	s := storetest.Open(t)
	checkPlans(t, s, "a fresh database")
	fillForPlans(t, s)
	checkPlans(t, s, "a filled database")
	execute(t, s, "ANALYZE message, part, job, reference, idempotency, early_receipt, doubt, inbound_part, inbound_seen")
	checkPlans(t, s, "an analysed database")
}

func execute(t *testing.T, s *store.Store, stmt string) {
	t.Helper()
	err := s.Write(func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), stmt)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fillForPlans adds rows to this month's pieces and to the rest.
func fillForPlans(t *testing.T, s *store.Store) {
	t.Helper()
	for _, first := range []int64{1, s.NewID()} {
		series := "generate_series(" + strconv.FormatInt(first, 10) + ", " + strconv.FormatInt(first+9999, 10) + ") AS i"
		execute(t, s, `INSERT INTO message SELECT i, i % 20, 1 + i % 2, 'sms', i % 5, '+2547' || i % 3000, 'ME', '{"text":"hello"}', i % 30, 2, 1, 1,
			'gsm', 500, 'USD', 3, 'resend', CASE WHEN i % 2 = 0 THEN '' ELSE 'r' || i END, '{}', 0, 0, '', 0, i, 8, 0, 0 FROM `+series)
		execute(t, s, "INSERT INTO part SELECT i, 1, 1, i % 20, i % 5, CASE WHEN i % 9 = 0 THEN '' ELSE 'm' || i END, 10, '', 1, 0 FROM "+series)
		execute(t, s, `INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at)
			SELECT i, 'channel/' || i % 7, 'send', i, i % 20, '', i % 3, i FROM `+series)
		execute(t, s, "INSERT INTO reference SELECT i % 20, 'r' || i, i, i FROM "+series)
		execute(t, s, "INSERT INTO idempotency SELECT i % 20, 'send', 'k' || i, 'f', 'o', i FROM "+series)
		execute(t, s, "INSERT INTO early_receipt SELECT i, i % 5, 'm' || i, '{}', i FROM "+series)
		execute(t, s, "INSERT INTO doubt SELECT i % 5, i % 65536, i, 1, 1, i FROM "+series)
		execute(t, s, "INSERT INTO inbound_part SELECT i % 5, 's' || i, 'r', 1, 2, 1, 'text', i FROM "+series)
		execute(t, s, "INSERT INTO inbound_seen SELECT i % 5, 'm' || i, i FROM "+series)
	}
}

func checkPlans(t *testing.T, s *store.Store, of string) {
	t.Helper()
	const (
		message = "Index Scan using message_pkey on message_"
		part    = "Index Scan using part_pkey on part_"
		early   = "Index Scan using early_receipt_remote on early_receipt"
	)
	for query, want := range map[string][]string{
		listAll:             {"Index Only Scan Backward using message_account", "((account_id = $1) AND (id < $2) AND (id >= $3))", message},
		listTo:              {"Index Only Scan Backward using message_recipient", "((recipient = $2) AND (account_id = $3) AND (id < $4) AND (id >= $1))", message},
		listChannel:         {"Index Only Scan Backward using message_channel", "((account_id = $1) AND (channel_id = $2) AND (id < $3) AND (id >= $4))", message},
		searchAll:           {"Index Only Scan Backward using message_account", "((account_id = $2) AND (id < $3) AND (id >= $4))", message},
		searchTo:            {"Index Only Scan Backward using message_recipient", "((recipient = $3) AND (account_id = $4) AND (id < $5) AND (id >= $2))", message},
		listContact:         {"Index Only Scan Backward using message_contact", "((contact_id = $1) AND (channel_id = $2) AND (id < $3))", message},
		listReference:       {"Index Only Scan Backward using message_reference", "((account_id = $1) AND (reference = $2) AND (id < $3) AND (id >= $4))", message},
		listStatus:          {"Index Only Scan Backward using message_status", "((account_id = $1) AND (status = $2) AND (id < $3) AND (id >= $4))", message},
		listOut:             {"Index Only Scan Backward using job_account", "Index Only Scan Backward using message_status", "((account_id = $1) AND (status = 22) AND (id < $2) AND (id >= $3))", message},
		listWaiting:         {"Index Only Scan Backward using job_account", "((account_id = ANY (ARRAY[$1, $1])) AND (id < $2) AND (id >= $3))", message},
		waitingFloor:        {"Index Only Scan Backward using job_account", "((account_id = ANY (ARRAY[$1, $1])) AND (id < $2) AND (id >= $3))"},
		lastOutbound:        {"Index Only Scan using message_recipient", "((recipient = $2) AND (id > $1))", message},
		lastOutboundOf:      {"Index Only Scan Backward using message_recipient", "((recipient = $2) AND (account_id = $3) AND (id > $1))", message},
		oldMessages:         {message, "((id >= $1) AND (id < $2))"},
		messageByID:         {message},
		changeMessage:       {message},
		emptyMessage:        {message},
		dropMessages:        {message, "((id >= $1) AND (id <= $2))"},
		messagesByRemote:    {"Index Scan using part_remote on part_", "((channel_id = $1) AND (remote_id = $2))", message, "(id = p.message_id)"},
		partsByRemote:       {"Index Scan using part_remote on part_", "((channel_id = $1) AND (remote_id = $2))", message, "(id = p.message_id)"},
		partsOf:             {part},
		markPart:            {part, "((message_id = $4) AND (attempt = $5) AND (number = $6))"},
		dropParts:           {part},
		reference:           {"Index Scan using reference_pkey"},
		idempotency:         {"Index Scan using idempotency_pkey"},
		workedAt:            {"Index Scan using job_pkey"},
		earlyOf:             {early},
		dropEarly:           {early},
		inboundParts:        {"Index Scan using inbound_part_pkey"},
		dropInboundParts:    {"Index Scan using inbound_part_pkey"},
		partsInDoubt:        {"using doubt_pkey on doubt", part, message},
		earlyOfChannel:      {"Index Scan Backward using early_receipt_channel", "((channel_id = ANY (ARRAY[$1, $1])) AND (id < $2))"},
		nextAll:             {"Index Only Scan using message_account", "((account_id = $1) AND (id > $2) AND (id < $3))", message},
		nextTo:              {"Index Only Scan using message_recipient", "((recipient = $2) AND (account_id = $3) AND (id > $1) AND (id < $4))", message},
		nextFrom:            {"Index Only Scan using message_sender", "((sender = $1) AND (account_id = $2) AND (id > $3) AND (id < $4))", message},
		eraseMessage:        {message},
		dropReference:       {"Index Scan using reference_pkey"},
		dropPartsFrom:       {"Index Scan using inbound_part_pkey"},
		nextKeys:            {"Index Scan using idempotency_pkey", "(account_id = $1)"},
		dropKey:             {"Index Scan using idempotency_pkey"},
		setOutcome:          {"Index Scan using idempotency_pkey"},
		answeredLately:      {"Index Only Scan Backward using message_recipient", "((recipient = $2) AND (account_id = $3) AND (id > $1))", message},
		dropDoubts:          {"Index Scan using doubt_expiry", "Index Scan using doubt_pkey"},
		dropOldEarly:        {"Index Scan using early_receipt_expiry", "Index Scan using early_receipt_pkey"},
		dropReferences:      {"Index Scan using reference_expiry", "Index Scan using reference_pkey"},
		dropIdempotency:     {"Index Scan using idempotency_expiry", "Index Scan using idempotency_pkey"},
		dropOldInboundParts: {"Index Scan using inbound_part_expiry", "Index Scan using inbound_part_pkey"},
		dropSeen:            {"Index Scan using inbound_seen_expiry", "Index Scan using inbound_seen_pkey"},
	} {
		got := storetest.Plan(t, s, query)
		for _, want := range want {
			if !strings.Contains(got, want) {
				t.Errorf("in %s %s\nis done by %s\nwant       %s", of, query, got, want)
			}
		}
		_, page, _ := strings.Cut(got, "Limit\n")                                                                                                                                           // what is sorted above it is a page
		few := query == lastOutbound || query == answeredLately || query == partsInDoubt || query == partsByRemote || query == messagesByRemote || query == listOut || query == listWaiting // pages, and a window
		if strings.Contains(got, "Seq Scan") || strings.Contains(page, "->  Sort\n") && !few {
			t.Errorf("in %s %s\nis done by %s", of, query, got)
		}
	}
}
