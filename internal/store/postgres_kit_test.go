package store_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidings.dev/internal/store/storetest"
)

// connect is a connection to a database that the store knows nothing of.
func connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// direct runs statements beside every store.
func direct(t testing.TB, database string, stmts ...string) {
	t.Helper()
	conn := connect(t, database)
	for _, stmt := range stmts {
		if _, err := conn.Exec(t.Context(), stmt); err != nil {
			t.Fatalf("%.80s: %v", stmt, err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// one asks for one value beside every store.
func one[T any](t testing.TB, database, query string, args ...any) (v T) {
	t.Helper()
	conn := connect(t, database)
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// ownCluster starts a server for one test alone, which may kill it.
func ownCluster(t testing.TB) *storetest.Cluster {
	t.Helper()
	onPostgres(t, "it needs a server of its own")
	dir, err := storetest.Folder()
	if err != nil {
		t.Fatal(err)
	}
	c, err := storetest.StartCluster(dir)
	t.Cleanup(func() {
		if c != nil {
			_ = c.Kill() // nobody needs it any more
		}
		removeAll(t, dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func removeAll(t testing.TB, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
