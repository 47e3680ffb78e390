package store_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidings.dev/internal/store"
)

// filling is a few rows as the first program wrote them.
const filling = `
INSERT INTO account (id, name, username, updated_at) VALUES (1, 'First', 'first', 1767225600000);
INSERT INTO api_key (id, account_id, hash, hint, scopes, expires_at) VALUES (2, 1, 'h', 'td_live_x', 'send', 1767225600001);
INSERT INTO message VALUES (3, 1, 1, 'sms', 4, '+254701234567', 'ME', '{"text":"héllo"}', 10, 2, 1, 1, 'gsm', 500, 'USD', 3, 'resend', 'ref', '{}', 0, 0, '', 0, 9, 8, 0, 0);
INSERT INTO job (id, lane, kind, subject, account_id, order_key, priority, due_at) VALUES (3, 'channel/4/0', 'send', 3, 1, '+254701234567', 3, 7);
INSERT INTO wallet (account_id, currency, available, funded) VALUES (1, 'USD', 900, 1400);
INSERT INTO event VALUES (3, 1, 1, 'message.queued', '{}', 7);
INSERT INTO version VALUES ('account', 5);
`

// first makes a database with the first schema, filled, as if the first program had left it.
func first(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	schema, err := os.ReadFile("testdata/first.sql")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("bigint   NOT NULL PRIMARY KEY", "integer NOT NULL PRIMARY KEY",
		"bigint NOT NULL PRIMARY KEY", "integer NOT NULL PRIMARY KEY", "/* clustered */", "WITHOUT ROWID").Replace(string(schema))
	const versions = `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1);`
	db, err := sql.Open("sqlite", filepath.Join(dir, "tidings.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stmt := range []string{"PRAGMA auto_vacuum = 2", text, versions, filling} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func schemaOf(t *testing.T, s *store.Store) (tables []string) {
	t.Helper()
	rows, err := s.Reader().QueryContext(context.Background(), "SELECT name || ': ' || sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '%goose%' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
}

func TestAFilledFirstDatabaseIsMigrated(t *testing.T) {
	t.Parallel()
	old := openIn(t, store.Options{Dir: first(t), Serve: true})
	fresh := openIn(t, store.Options{Dir: t.TempDir(), Serve: true})
	if a, b := schemaOf(t, old), schemaOf(t, fresh); !slices.Equal(a, b) {
		for _, table := range a {
			if !slices.Contains(b, table) {
				t.Errorf("only a migrated database has\n%s", table)
			}
		}
		for _, table := range b {
			if !slices.Contains(a, table) {
				t.Errorf("only a fresh database has\n%s", table)
			}
		}
		t.Error("a migration is missing, or a released one was edited")
	}
	for query, want := range map[string]string{
		"SELECT content FROM message WHERE id = 3":                 `{"text":"héllo"}`,
		"SELECT lane || kind || due_at FROM job WHERE subject = 3": "channel/4/0send7",
		"SELECT (available + funded) || currency FROM wallet":      "2300USD",
		"SELECT n FROM version WHERE topic = 'account'":            "5",
		"SELECT kind FROM event WHERE subject = 3 AND seq = 1":     "message.queued",
		"SELECT count(*) FROM api_key WHERE hash = 'h'":            "1",
		"PRAGMA integrity_check":                                   "ok",
	} {
		var got string
		if err := old.Reader().QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", query, got, want, err)
		}
	}
}
