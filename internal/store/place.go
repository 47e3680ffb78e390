package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Place is where a database is: PostgreSQL's at its URL or, where that is empty, SQLite's in the data folder.
type Place struct {
	Dir      string
	Database string
}

// String names the place without its password.
func (p Place) String() string {
	if p.Database == "" {
		return p.file()
	}
	found, err := atURL(p.Database)
	if err != nil {
		return "PostgreSQL"
	}
	return found.String()
}

func (p Place) file() string { return filepath.Join(p.Dir, "tidings.db") }

// place is a Place that makes sense.
type place struct {
	file   string          // SQLite's; empty on PostgreSQL
	config *pgx.ConnConfig // PostgreSQL's
}

// String names the place without its password.
func (p place) String() string {
	if p.config == nil {
		return p.file
	}
	return fmt.Sprintf("%s:%d/%s", p.config.Host, p.config.Port, p.config.Database)
}

// parsePlace reads sqlite:FILE or postgres:URL. What it cannot read is not quoted: it might hold a password.
func parsePlace(text string) (place, error) {
	if file, ok := strings.CutPrefix(text, "sqlite:"); ok && file != "" {
		return place{file: file}, nil
	}
	if isURL(text) {
		return atURL(text)
	}
	if url, ok := strings.CutPrefix(text, "postgres:"); ok && isURL(url) {
		return atURL(url)
	}
	return place{}, errors.New("a database is named sqlite:FILE or postgres:URL, such as sqlite:/var/lib/tidings/tidings.db or postgres://tidings@db.example.com/tidings")
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

func atURL(url string) (place, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil || !isURL(url) {
		return place{}, errors.New("database: this is no postgres:// URL") // the parser's own words hold the password
	}
	return place{config: config}, nil
}
