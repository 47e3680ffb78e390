package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// versionTable is goose's own: what has been migrated is no row of ours.
const versionTable = "goose_db_version"

// table is one of the schema's, as its database describes it. Its columns are in the order of their names, since the two
// engines may have come to theirs on different ways.
type table struct {
	name    string
	columns []column
}

type column struct {
	name string
	form form
}

// Each engine tells its tables, their columns and what these hold. What serves SQLite as an index fills itself.
const (
	sqliteTables = `SELECT m.name, c.name, lower(c.type) FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND m.name NOT LIKE 'index\_%' ESCAPE '\' AND m.name <> '` + versionTable + `' ORDER BY m.name, c.name`
	postgresTables = `SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '` + versionTable + `' ORDER BY c.relname, a.attname`
)

// forms are the types of the portable schema, in both engines' words.
var forms = map[string]form{"integer": integer, "bigint": integer, "smallint": integer, "text": text}

// tables lists the tables of the database in the order of their names.
func (e *end) tables(ctx context.Context) (list []table, err error) {
	query := sqliteTables
	if e.postgres() {
		query = postgresTables
	}
	rows, err := e.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", e, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, kind string
		var c column
		if err := rows.Scan(&name, &c.name, &kind); err != nil {
			return nil, fmt.Errorf("list the tables of %s: %w", e, err)
		}
		var known bool
		if c.form, known = forms[kind]; !known {
			c.form = blob // which nothing is moved as
		}
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, table{name: name})
		}
		last := &list[len(list)-1]
		last.columns = append(last.columns, c)
	}
	return list, rows.Err()
}

// refuseOther refuses databases that do not have the same tables with the same columns: something would be left behind.
func refuseOther(from, to []table) error {
	var wrong []string
	for _, t := range from {
		i := slices.IndexFunc(to, func(o table) bool { return o.name == t.name })
		if i < 0 {
			wrong = append(wrong, "table "+t.name+" is not Tidings'")
		} else if !slices.Equal(t.columns, to[i].columns) {
			wrong = append(wrong, "table "+t.name+" has other columns than it should")
		}
	}
	for _, t := range to {
		if !slices.ContainsFunc(from, func(o table) bool { return o.name == t.name }) {
			wrong = append(wrong, "table "+t.name+" is missing")
		}
		if slices.ContainsFunc(t.columns, func(c column) bool { return c.form == blob }) {
			wrong = append(wrong, "table "+t.name+" has a column of a kind that cannot be moved")
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the databases do not have the same schema: %s", strings.Join(wrong, ", "))
	}
	return nil
}

func (t table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// quoted is a list of names as SQL of both engines takes them.
func quoted(names ...string) string { return `"` + strings.Join(names, `", "`) + `"` }

// rest is the condition for the rows that are moved: the mark of the move itself stays where it is.
func (t table) rest() string {
	if t.name == "meta" {
		return " WHERE name <> '" + moving + "'"
	}
	return ""
}

func (t table) selecting() string {
	return "SELECT " + quoted(t.names()...) + " FROM " + quoted(t.name) + t.rest()
}

func (t table) counting() string { return "SELECT count(*) FROM " + quoted(t.name) + t.rest() }

// inserting is a statement for SQLite.
func (t table) inserting() string {
	places := strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ")
	return "INSERT INTO " + quoted(t.name) + " (" + quoted(t.names()...) + ") VALUES (" + places + ")"
}
