package store_test

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// at is where the options' database is.
func at(opt store.Options) store.Place { return store.Place{Dir: opt.Dir, Database: opt.Database} }

// named is a database as moves are told of it.
func named(opt store.Options) string {
	if opt.Database != "" {
		return "postgres:" + opt.Database
	}
	return "sqlite:" + filepath.Join(opt.Dir, "tidings.db")
}

// empty are the options of a database of PostgreSQL that nothing was ever in.
func empty(t testing.TB) store.Options {
	t.Helper()
	onPostgres(t, "it moves to PostgreSQL")
	return store.Options{Dir: t.TempDir(), Database: storetest.Empty(t), Serve: true, Log: quiet}
}

// elsewhere is where a backup of the database can be restored to: over itself on SQLite, into an empty database on PostgreSQL.
func elsewhere(t testing.TB, opt store.Options) store.Options {
	t.Helper()
	if storetest.Postgres() {
		opt.Database = empty(t).Database
	}
	return opt
}

// onFile runs statements on a file of SQLite.
func onFile(t testing.TB, file string, stmts ...string) {
	t.Helper()
	db := openFile(t, file)
	for _, stmt := range stmts {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%.80s: %v", stmt, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func openFile(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// stopped is a stopped server's data folder with SQLite in it.
func stopped(t testing.TB) store.Options {
	t.Helper()
	opt := store.Options{Dir: t.TempDir(), Serve: true, Log: quiet}
	s, err := store.Open(t.Context(), opt)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

// awkward are texts that a copy may spoil. Those of the second list an old file may hold, and no new one.
var (
	awkward = []string{"", " ", "'", `"`, `\`, `\N`, `\.`, "\t", "\n", "\r\n", "a\x01\x7f\u0080b", "🦒👩‍👩‍👧", "é", "e\u0301", "\u202eabc", "\uFFFD", "NULL", "{}", "a,b;c", "$1 ? :x", strings.Repeat("long ", 600)}
	spoiled = []string{"\x00", "a\x00b", "\xff", "\xc3\x28", "\xed\xa0\x80", "tail\xe2\x82"}
)

func text(random *rand.Rand, n int) string {
	from := awkward
	if random.IntN(3) == 0 {
		from = spoiled
	}
	return from[random.IntN(len(from))] + strconv.Itoa(n)
}

func number(random *rand.Rand, small bool) int64 {
	if small {
		return []int64{0, 1, -1, math.MaxInt16, math.MinInt16, int64(random.IntN(100))}[random.IntN(6)]
	}
	switch random.IntN(8) {
	case 0:
		return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32}[random.IntN(7)]
	case 1:
		return -random.Int64()
	case 2, 3: // a key of these months
		return store.KeyOf(time.Now().AddDate(0, -random.IntN(5), 0)) + int64(random.IntN(1<<22))
	default:
		return random.Int64()
	}
}

// fillAll puts rows into every table of a file of SQLite, but for what serves as an index and fills itself.
func fillAll(t testing.TB, file string, random *rand.Rand, rows int) {
	t.Helper()
	db := openFile(t, file)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range describe(t, db) {
		if strings.HasPrefix(of.name, "index_") {
			continue
		}
		places := strings.TrimSuffix(strings.Repeat("?,", len(of.columns)), ",")
		insert := "INSERT OR IGNORE INTO " + of.name + " VALUES (" + places + ")"
		for n := range rows {
			values := make([]any, len(of.columns))
			for i, c := range of.columns {
				if values[i] = any(number(random, c.kind == "smallint")); c.kind == "text" {
					values[i] = text(random, n)
				}
			}
			if _, err := tx.ExecContext(t.Context(), insert, values...); err != nil {
				t.Fatal(of.name, err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

type described struct {
	name    string
	columns []struct{ name, kind string }
}

func describe(t testing.TB, db *sql.DB) (tables []described) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name, c.type FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%' ORDER BY m.name, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		var c struct{ name, kind string }
		if err := rows.Scan(&table, &c.name, &c.kind); err != nil {
			t.Fatal(err)
		}
		if len(tables) == 0 || tables[len(tables)-1].name != table {
			tables = append(tables, described{name: table})
		}
		last := &tables[len(tables)-1]
		last.columns = append(last.columns, c)
	}
	if rows.Err() != nil || len(tables) < 20 {
		t.Fatal(len(tables), "tables", rows.Err())
	}
	return tables
}

// dump is all that a file of SQLite holds, each row as text, in order: what the product's own comparison says is not asked.
func dump(t testing.TB, file string) (lines []string) {
	t.Helper()
	db := openFile(t, file)
	for _, of := range describe(t, db) {
		lines = append(lines, dumpTable(t, db, of)...)
	}
	slices.Sort(lines)
	return lines
}

func dumpTable(t testing.TB, db *sql.DB, of described) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+of.name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row, into := make([]any, len(of.columns)), make([]any, len(of.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range row {
			if s, ok := v.(string); ok {
				row[i] = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
			}
		}
		lines = append(lines, fmt.Sprintf("%s %#v", of.name, row))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// sameRows fails where two files do not hold the same.
func sameRows(t testing.TB, file, other string) {
	t.Helper()
	a, b := dump(t, file), dump(t, other)
	if slices.Equal(a, b) {
		return
	}
	t.Errorf("%d rows became %d, or others", len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("first difference:\n%.300s\n%.300s", a[i], b[i])
		}
	}
}
