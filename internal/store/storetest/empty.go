package storetest

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Empty makes a database of PostgreSQL that nothing was ever in, and returns its URL. It is removed with the test.
func Empty(t testing.TB) (where string) {
	t.Helper()
	requireServer(t)
	return create(t, "")
}

func requireServer(t testing.TB) {
	t.Helper()
	if os.Getenv(Server) == "" {
		t.Fatalf("%s is empty: make test starts a server, and so does go run ./test/cluster COMMAND", Server)
	}
}

// databases counts those of this process.
var databases atomic.Int64

// create makes a database, as the clause says, and removes it with the test.
func create(t testing.TB, clause string) (where string) {
	t.Helper()
	server := os.Getenv(Server)
	name := "test_" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatInt(databases.Add(1), 10)
	if err := run(context.Background(), server, "CREATE DATABASE "+quote(name)+clause); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run(context.Background(), server, "DROP DATABASE "+quote(name)+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	where, err := databaseOn(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return where
}
