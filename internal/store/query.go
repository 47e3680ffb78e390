package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
)

// Queryer is what generated queries run on: a transaction or the readers.
type Queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// cleaning runs statements with the texts of their arguments as they are stored: a text that could not be is found all
// the same.
type cleaning struct{ db Queryer }

func (c cleaning) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.db.ExecContext(ctx, query, cleaned(args)...)
}

func (c cleaning) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return c.db.PrepareContext(ctx, query)
}

func (c cleaning) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.db.QueryContext(ctx, query, cleaned(args)...)
}

func (c cleaning) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return c.db.QueryRowContext(ctx, query, cleaned(args)...)
}

// cleaned changes texts in place: the arguments are nobody else's.
func cleaned(args []any) []any {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = clean(text)
		}
	}
	return args
}

// rewriting runs statements written for PostgreSQL ($1, $2) on SQLite.
type rewriting struct{ db Queryer }

func (r rewriting) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s := rewrite(query)
	return r.db.ExecContext(ctx, s.text, s.spread(args)...)
}

func (r rewriting) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return r.db.PrepareContext(ctx, strings.ReplaceAll(query, "$", "?"))
}

func (r rewriting) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s := rewrite(query)
	return r.db.QueryContext(ctx, s.text, s.spread(args)...)
}

func (r rewriting) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	s := rewrite(query)
	return r.db.QueryRowContext(ctx, s.text, s.spread(args)...)
}

// positional is a statement with a bare ? in each place, and which argument goes there. Bare places bind faster than
// numbered ones, which SQLite keeps as names.
type positional struct {
	text string
	args []int
}

// spread puts the arguments in the order of their places.
func (p *positional) spread(args []any) []any {
	out := make([]any, len(p.args))
	for i, n := range p.args {
		out[i] = args[n]
	}
	return out
}

var rewritten sync.Map // of constant statements, so it does not grow

func rewrite(query string) *positional {
	if p, ok := rewritten.Load(query); ok {
		return p.(*positional)
	}
	p, _ := rewritten.LoadOrStore(query, parsePlaces(query))
	return p.(*positional)
}

// parsePlaces finds each $N. Our statements hold no $ in a literal.
func parsePlaces(query string) *positional {
	p := &positional{}
	var text strings.Builder
	for i := 0; i < len(query); i++ {
		n, end := 0, i+1
		for query[i] == '$' && end < len(query) && query[end] >= '0' && query[end] <= '9' {
			n = n*10 + int(query[end]-'0')
			end++
		}
		if n == 0 {
			text.WriteByte(query[i])
			continue
		}
		text.WriteByte('?')
		p.args = append(p.args, n-1)
		i = end - 1
	}
	p.text = text.String()
	return p
}

// NoRows reports whether err says that a query found nothing.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
