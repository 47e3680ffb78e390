// Package storetest gives tests a migrated database of their own, on the engine that they are run for, and a PostgreSQL
// server that can be killed and cut off.
package storetest

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"tidings.dev/internal/store"
)

// Environment variables that tell tests which engine they are for.
const (
	Engine = "TIDINGS_TEST_ENGINE"   // sqlite (the default) or postgres
	Server = "TIDINGS_TEST_POSTGRES" // URL of a running cluster, for postgres
)

var quiet = slog.New(slog.DiscardHandler)

// Postgres tells whether the tests run on PostgreSQL.
func Postgres() bool { return os.Getenv(Engine) == "postgres" }

// Options are those of a server on a fresh, migrated database that is removed with the test. To open them again, after
// Close, is a restart on the same database.
func Options(t testing.TB) store.Options {
	t.Helper()
	opt := store.Options{Dir: t.TempDir(), Serve: true, Log: quiet}
	switch engine := os.Getenv(Engine); engine {
	case "", "sqlite":
		copySQLite(t, opt.Dir)
	case "postgres":
		opt.Database = copyPostgres(t, opt.Dir)
	default:
		t.Fatalf("%s is %q; it can be sqlite or postgres", Engine, engine)
	}
	return opt
}

// Open opens a fresh database and closes it with the test.
func Open(t testing.TB, change ...func(*store.Options)) *store.Store {
	t.Helper()
	opt := Options(t)
	for _, f := range change {
		f(&opt)
	}
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close the store:", err)
		}
	})
	return s
}

// Virtual runs a test in virtual time, in a year that ids know. It runs on SQLite alone: in virtual time nothing may wait
// for a network, and PostgreSQL is one.
func Virtual(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if Postgres() {
		t.Skip("virtual time has no network, and so no PostgreSQL")
	}
	if _, err := sqliteTemplate(); err != nil { // in real time
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// migrated opens a new database, so that it is migrated, and closes it.
func migrated(opt store.Options) error {
	s, err := store.Open(context.Background(), opt)
	if err != nil {
		return err
	}
	return s.Close()
}
