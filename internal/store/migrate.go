package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// words is how an engine reads the one list of migrations.
type words struct {
	dialect goose.Dialect
	say     func(text string) string // the portable schema in the engine's words
	options []goose.ProviderOption
}

// migrate brings the schema to this program's version. A database that a newer program migrated is refused, and so is a
// change of schema under a running server.
func migrate(ctx context.Context, db *sql.DB, w words, log *slog.Logger, inUse bool) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("find migrations: %w", err)
	}
	options := append([]goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler))}, w.options...)
	p, err := goose.NewProvider(w.dialect, db, spoken{dir, w.say}, options...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > newest {
		return fmt.Errorf("the database has schema %d, this program knows %d: use the newer program", have, newest)
	}
	if have == newest {
		return nil
	}
	if inUse {
		return fmt.Errorf("the database has schema %d, this program wants %d, and a server is running on it: stop the server first", have, newest)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range done {
		log.Info("migrated", "schema", m.Source.Version, "took", m.Duration)
	}
	return nil
}

// forSQLite says in SQLite's words what the portable schema means: an integer key is the row's own place, and a
// clustered table is kept in the order of its key.
var forSQLite = words{
	dialect: goose.DialectSQLite3,
	say: strings.NewReplacer("bigint   NOT NULL PRIMARY KEY", "integer NOT NULL PRIMARY KEY",
		"bigint NOT NULL PRIMARY KEY", "integer NOT NULL PRIMARY KEY", "/* clustered */", "WITHOUT ROWID", "-- on SQLite: ", "").Replace,
}

// spoken gives out the migrations in an engine's words.
type spoken struct {
	fs.FS
	say func(string) string
}

// Open opens a folder as it is and a file with its text replaced.
func (f spoken) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	text, err := fs.ReadFile(f.FS, name)
	if err != nil {
		return nil, err
	}
	return replaced{file, strings.NewReader(f.say(string(text)))}, nil
}

// replaced is a file with another text.
type replaced struct {
	fs.File
	text *strings.Reader
}

// Read reads the other text.
func (r replaced) Read(into []byte) (int, error) { return r.text.Read(into) }
