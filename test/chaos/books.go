package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Books is what the checker reads in the database itself, since no API shows it.
type Books struct {
	Integrity []string // what integrity_check found
	Orphans   []string // rows that belong to nothing
	Wallets   []Wallet
	Transfers []Transfer
	Messages  map[int64]Row
	Events    map[int64][]Event // of messages, by seq
	Doubts    []int64           // when the product found an attempt of an earlier run without an outcome, Unix microseconds
}

// Wallet is the money of one account as the product adds it up.
type Wallet struct{ Account, Available, Held, Charged, Funded int64 }

// Transfer is one movement of money.
type Transfer struct {
	Account, Subject int64
	Step             string
	Debit, Credit    string
	Amount           int64
}

// Row is a message as it is stored.
type Row struct {
	Tag    string
	Status int
	Seq    int64
	Price  int64
	Out    bool
}

// Event is one fact about a message.
type Event struct {
	Seq  int64
	Kind string
}

// statusNumber are the numbers that the database has for statuses.
var statusNumber = map[string]int{
	"scheduled": 1, "held": 2, "queued": 3, "sending": 4, "unknown": 10, "sent": 11, "failed": 12, "delivered": 13,
	"read": 14, "cancelled": 20, "expired": 21, "blocked": 22, "received": 30,
}

// readBooks reads the database that a run left in its folder; none is no error, so that histories alone can be checked.
func readBooks(dir string) (books *Books, err error) {
	base, err := oldBase(dir)
	if base == nil || err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.close()) }()
	db, err := base.open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	b := &Books{Messages: map[int64]Row{}, Events: map[int64][]Event{}}
	integrity := b.readSQLiteIntegrity
	if base.cluster != nil {
		integrity = b.readPostgresIntegrity
	}
	return b, errors.Join(integrity(db), b.readOrphans(db), b.readMoney(db), b.readMessages(db))
}

func each(db *sql.DB, query string, row func(*sql.Rows) error) error {
	rows, err := db.Query(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return rows.Err()
}

// orphans are queries that must find nothing.
var orphans = map[string]string{
	"part without message":          `SELECT p.message_id FROM part p LEFT JOIN message m ON m.id = p.message_id WHERE m.id IS NULL`,
	"delivery without webhook":      `SELECT d.id FROM delivery d LEFT JOIN webhook w ON w.id = d.webhook_id WHERE w.id IS NULL`,
	"delivery without event":        `SELECT d.id FROM delivery d LEFT JOIN event e ON e.subject = d.subject AND e.seq = d.seq WHERE e.seq IS NULL`,
	"transfer of a message unknown": `SELECT t.subject FROM transfer t LEFT JOIN message m ON m.id = t.subject WHERE m.id IS NULL AND t.step IN ('hold','post','void')`,
	"reference without message":     `SELECT r.message_id FROM reference r LEFT JOIN message m ON m.id = r.message_id WHERE m.id IS NULL`,
	"event of a message unknown":    `SELECT e.subject FROM event e LEFT JOIN message m ON m.id = e.subject WHERE m.id IS NULL AND e.kind LIKE 'message.%'`,
}

func (b *Books) readSQLiteIntegrity(db *sql.DB) error {
	text := ""
	return errors.Join(
		each(db, `PRAGMA integrity_check`, func(r *sql.Rows) error {
			err := r.Scan(&text)
			if text != "ok" {
				b.Integrity = append(b.Integrity, text)
			}
			return err
		}),
		each(db, `SELECT "table" FROM pragma_foreign_key_check`, func(r *sql.Rows) error {
			err := r.Scan(&text)
			b.Integrity = append(b.Integrity, "foreign key of "+text)
			return err
		}))
}

// Each row of each table is looked at, then each index against its table (documentation, F.1 amcheck).
const (
	damagedRows = `SELECT c.relname || ': ' || v.msg FROM pg_class c, verify_heapam(c.oid) v
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`
	checkIndexes = `SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE c.relkind = 'i' AND c.relnamespace = 'public'::regnamespace`
)

func (b *Books) readPostgresIntegrity(db *sql.DB) error {
	if _, err := db.Exec(`CREATE EXTENSION IF NOT EXISTS amcheck`); err != nil {
		return fmt.Errorf("prepare to check the database: %w", err)
	}
	if _, err := db.Exec(checkIndexes); err != nil {
		b.Integrity = append(b.Integrity, err.Error())
	}
	return each(db, damagedRows, func(r *sql.Rows) error {
		var text string
		err := r.Scan(&text)
		b.Integrity = append(b.Integrity, text)
		return err
	})
}

func (b *Books) readOrphans(db *sql.DB) error {
	var problems []error
	for name, query := range orphans {
		problems = append(problems, each(db, query, func(r *sql.Rows) error {
			var id int64
			err := r.Scan(&id)
			b.Orphans = append(b.Orphans, fmt.Sprintf("%s: %d", name, id))
			return err
		}))
	}
	return errors.Join(problems...)
}

func (b *Books) readMoney(db *sql.DB) error {
	return errors.Join(
		each(db, `SELECT account_id, available, held, charged, funded FROM wallet`, func(r *sql.Rows) error {
			var w Wallet
			err := r.Scan(&w.Account, &w.Available, &w.Held, &w.Charged, &w.Funded)
			b.Wallets = append(b.Wallets, w)
			return err
		}),
		each(db, `SELECT account_id, subject, step, debit, credit, amount FROM transfer`, func(r *sql.Rows) error {
			var t Transfer
			err := r.Scan(&t.Account, &t.Subject, &t.Step, &t.Debit, &t.Credit, &t.Amount)
			b.Transfers = append(b.Transfers, t)
			return err
		}))
}

func (b *Books) readMessages(db *sql.DB) error {
	return errors.Join(
		each(db, `SELECT id, content, status, seq, price, direction FROM message`, func(r *sql.Rows) error {
			var id int64
			var content string
			var direction int
			var row Row
			err := r.Scan(&id, &content, &row.Status, &row.Seq, &row.Price, &direction)
			row.Tag, row.Out = tagOf(content), direction == 1
			b.Messages[id] = row
			return err
		}),
		each(db, `SELECT e.subject, e.seq, e.kind FROM event e JOIN message m ON m.id = e.subject ORDER BY e.subject, e.seq`,
			func(r *sql.Rows) error {
				var id int64
				var e Event
				err := r.Scan(&id, &e.Seq, &e.Kind)
				b.Events[id] = append(b.Events[id], e)
				return err
			}),
		each(db, `SELECT at, data FROM event WHERE data LIKE '%"server_stopped"%' ORDER BY at`, func(r *sql.Rows) error {
			var at int64
			var data string
			err := r.Scan(&at, &data)
			if reasonOf(data) == "server_stopped" {
				b.Doubts = append(b.Doubts, at*1000)
			}
			return err
		}))
}

// reasonOf is why an event happened, as its row says.
func reasonOf(data string) string {
	var change struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal([]byte(data), &change) // what cannot be read has no reason
	return change.Reason
}

// soon counts the jobs about customers' things that are due now or before long.
func soon(db *sql.DB, within time.Duration) (n int, err error) {
	query := fmt.Sprintf(`SELECT count(*) FROM job WHERE subject <> 0 AND account_id <> 0 AND due_at < %d`, time.Now().Add(within).UnixMilli())
	err = db.QueryRow(query).Scan(&n)
	return n, err
}

// owned lists the leases of the server with the process id. The product names a server by host and process.
func owned(db *sql.DB, pid int) (names []string, err error) {
	query := fmt.Sprintf(`SELECT l.name FROM lease l JOIN node n ON n.boot = l.node WHERE n.name LIKE '%%:%d' ORDER BY l.name`, pid)
	err = each(db, query, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}
