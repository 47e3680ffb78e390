package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidings.dev/internal/store"
)

// To migrate a database takes longer than most tests, so each engine migrates one that the others are copies of.

const keyFile = "master.key"

// sqliteTemplate is what a migrated folder holds, by the names of its files. It is kept in memory, since nobody would
// remove a folder when the tests end.
var sqliteTemplate = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return nil, fmt.Errorf("make a template: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := migrated(store.Options{Dir: dir, Serve: true, Log: quiet}); err != nil {
		return nil, fmt.Errorf("make a template: %w", err)
	}
	return readFolder(dir)
})

func readFolder(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read a data folder: %w", err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("read a data folder: %w", err)
		}
	}
	return files, nil
}

func copySQLite(t testing.TB, dir string) {
	t.Helper()
	files, err := sqliteTemplate()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal("copy the template:", err)
		}
	}
}

// copyPostgres makes a database and puts its master key into the folder.
func copyPostgres(t testing.TB, dir string) (where string) {
	t.Helper()
	requireServer(t)
	template, err := postgresTemplate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyFile), []byte(template.key), 0o600); err != nil {
		t.Fatal("write the master key:", err)
	}
	return create(t, " TEMPLATE "+quote(template.name))
}

// databaseOn is the URL of a database on a server.
func databaseOn(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", Server, err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// template is a migrated database on the server.
type template struct{ name, key string }

// templateLock is held by the process that makes the template.
const templateLock = 0x7469_6469

// postgresTemplate finds this program's template on the server, or makes it. Its name is the program's hash, so that a
// program with other migrations has another. Its comment is its master key, and says that it is complete.
var postgresTemplate = sync.OnceValues(func() (made template, err error) {
	ctx := context.Background()
	if made.name, err = templateName(); err != nil {
		return made, err
	}
	conn, err := pgx.Connect(ctx, os.Getenv(Server))
	if err != nil {
		return made, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(templateLock)); err != nil {
		return made, fmt.Errorf("lock the template: %w", err)
	}
	if made.key, err = templateKey(ctx, conn, made.name); err != nil || made.key != "" {
		return made, err
	}
	made.key, err = makeTemplate(ctx, conn, made.name)
	return made, err
})

func templateName() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	f, err := os.Open(program)
	if err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	return "template_" + hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// templateKey is the master key of the template; empty when it is not there or was not completed.
func templateKey(ctx context.Context, conn *pgx.Conn, name string) (key string, err error) {
	err = conn.QueryRow(ctx, "SELECT COALESCE((SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1), '')", name).Scan(&key)
	if err != nil {
		return "", fmt.Errorf("look for the template: %w", err)
	}
	return key, nil
}

func makeTemplate(ctx context.Context, conn *pgx.Conn, name string) (key string, err error) {
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return "", fmt.Errorf("drop half a template: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+quote(name)); err != nil {
		return "", fmt.Errorf("create the template: %w", err)
	}
	if key, err = migrateTemplate(name); err != nil {
		return "", fmt.Errorf("migrate the template: %w", err)
	}
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+quote(name)+" IS "+literal(key)); err != nil {
		return "", fmt.Errorf("complete the template: %w", err)
	}
	return key, nil
}

// literal writes a text as SQL does: a comment takes no parameter.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func migrateTemplate(name string) (key string, err error) {
	where, err := databaseOn(os.Getenv(Server), name)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := migrated(store.Options{Dir: dir, Database: where, Serve: true, Log: quiet}); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, keyFile))
	return string(data), err
}
