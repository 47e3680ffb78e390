package journey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"tidings.dev/internal/store/storetest"
	"tidings.dev/test/product"
)

// Each story's product has a database of its own: a file in its data folder, or an empty one on the PostgreSQL server that
// the tests were given, which the product fills by itself.

// fresh is the URL of a new database for a product; none on SQLite.
func fresh(t *testing.T) string {
	t.Helper()
	if !storetest.Postgres() {
		return ""
	}
	return storetest.Empty(t)
}

// setting is a product's environment for its database.
func setting(database string) []string {
	if database == "" {
		return nil
	}
	return []string{"TIDINGS_DATABASE=" + database}
}

// open connects beside a product.
func open(t *testing.T, i *product.Installation) *sql.DB {
	t.Helper()
	driver, where := "sqlite", "file:"+filepath.Join(i.Dir, "tidings.db")
	for _, s := range i.Setting {
		if database, ok := strings.CutPrefix(s, "TIDINGS_DATABASE="); ok {
			driver, where = "pgx", database
		}
	}
	db, err := sql.Open(driver, where)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

// sharedName is the shared sandbox's database, which outlives every test.
var sharedName = fmt.Sprintf("journey_%d", os.Getpid())

// sharedDatabase makes the shared sandbox's database and returns its URL; none on SQLite.
func sharedDatabase(ctx context.Context) (string, error) {
	if !storetest.Postgres() {
		return "", nil
	}
	u, err := url.Parse(os.Getenv(storetest.Server))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", storetest.Server, err)
	}
	u.Path = "/" + sharedName
	return u.String(), onServer(ctx, "CREATE DATABASE "+sharedName)
}

func dropShared() error {
	if !storetest.Postgres() {
		return nil
	}
	return onServer(context.Background(), "DROP DATABASE IF EXISTS "+sharedName+" WITH (FORCE)")
}

func onServer(ctx context.Context, statement string) (err error) {
	db, err := sql.Open("pgx", os.Getenv(storetest.Server))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, statement)
	return err
}
