package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/id"
)

// past is what a database holds when a soak begins: messages of an account between two ages.
type past struct {
	account, channel string
	count            int
	from, until      time.Duration // ago
	told             bool          // their customer heard of them, at an endpoint that is no longer there
}

// over is past the retention of a soak, which is the shortest that the product takes, and stays is not.
func over(account, channel string, count int) past {
	return past{account, channel, count, 5 * 24 * time.Hour, 4 * 24 * time.Hour, true}
}

func stays(account, channel string, count int) past {
	return past{account, channel, count, 12 * time.Hour, 6 * time.Hour, false}
}

// retention are the settings under which all of the past may go.
var retention = []string{
	"TIDINGS_RETENTION_BODIES=24h", "TIDINGS_RETENTION_MESSAGES=24h", "TIDINGS_RETENTION_EVENTS=24h",
	"TIDINGS_RETENTION_DELIVERIES=24h", "TIDINGS_RETENTION_LEDGER=24h",
}

// The past in the words of both engines: @n are the numbers of its messages, @at when each came, in Unix milliseconds. A
// message was sent after a second, delivered after two, and paid for. Keys are those of nodes that no server is.
const (
	pastNumbers = `WITH RECURSIVE past(n) AS (SELECT CAST(0 AS bigint) UNION ALL SELECT n + 1 FROM past WHERE n + 1 < @count) `
	pastKey     = `((@at - @epoch) * 4194304 + 253 * 16384)`
)

var pastRows = []string{
	pastNumbers + `INSERT INTO message (id, account_id, direction, kind, channel_id, recipient, sender, content, status, seq, attempt, total, encoding,
		price, currency, priority, on_unknown, reference, metadata, test, scheduled_at, valid_until, updated_at)
		SELECT ` + pastKey + `, @account, 1, 'sms', @channel, '+2547' || CAST(20000000 + n AS text), 'name:ACME',
		'{"text":"Your code is 482913. It is valid for ten minutes. It was the code number ' || CAST(n AS text) || ' of that day."}', 13, 2, 1, 1, 'gsm7',
		@price, 'KES', 2, 'resend', '', '{"n":"' || CAST(n AS text) || '"}', 0, 0, @at + 172800000, @at + 2000 FROM past`,
	pastNumbers + `INSERT INTO part (message_id, attempt, number, account_id, channel_id, remote_id, status, code, sent_at, done_at)
		SELECT ` + pastKey + `, 1, 1, @account, @channel, 'past-' || CAST(n AS text), 13, '000', @at + 1000, @at + 2000 FROM past`,
	pastNumbers + `INSERT INTO event (subject, seq, account_id, kind, data, at)
		SELECT ` + pastKey + `, s.seq, @account, s.kind, s.data, @at + s.seq * 1000 FROM past, @stories`,
	pastNumbers + `INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at)
		SELECT @account, ` + pastKey + `, s.step, s.debit, s.credit, @price, @at + s.after FROM past, (
			SELECT 'hold' AS step, 'available' AS debit, 'held' AS credit, 0 AS after UNION ALL SELECT 'end', 'held', 'charged', 1000) AS s`,
	`UPDATE wallet SET available = available - @count * @price, charged = charged + @count * @price WHERE account_id = @account`,
}

var pastTold = pastNumbers + `INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, took, at)
		SELECT ` + pastKey + ` + 16384 + s.seq, 1, @account, ` + pastKey + `, s.seq, s.kind, 1, 1, 200, 7, @at + s.seq * 1000 FROM past, @stories`

const pastStories = `(SELECT 1 AS seq, 'message.sent' AS kind, '{"status":"sent","attempt":1}' AS data
	UNION ALL SELECT 2, 'message.delivered', '{"status":"delivered","attempt":1}') AS s`

// writePast fills the database that the product has made, and that nobody serves yet.
func (b *Base) writePast(ctx context.Context, p past) (err error) {
	owner, err := id.Parse[struct{}](p.account)
	if err != nil {
		return err
	}
	carrier, err := id.Parse[struct{}](p.channel)
	if err != nil {
		return err
	}
	from, slot := time.Now().Add(-p.from).UnixMilli(), (p.from-p.until).Milliseconds()/int64(p.count)
	epoch := id.Of[struct{}](0).Time().UnixMilli()
	words := strings.NewReplacer(
		"@stories", pastStories, "@at", fmt.Sprintf("(%d + n * %d)", from, slot), "@epoch", fmt.Sprint(epoch), "@count", fmt.Sprint(p.count),
		"@account", fmt.Sprint(int64(owner)), "@channel", fmt.Sprint(int64(carrier)), "@price", fmt.Sprintf("CAST(%d AS bigint)", price))
	first, last := []string{"SET synchronous_commit = off"}, []string{"VACUUM ANALYZE", "CHECKPOINT"}
	if b.cluster == nil {
		first, last = []string{"PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000"}, []string{"PRAGMA wal_checkpoint(TRUNCATE)"}
	}
	if p.told {
		first = append(first, pastTold)
	}
	db, err := b.connect("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, query := range slices.Concat(first, pastRows, last) {
		if _, err := db.ExecContext(ctx, words.Replace(query)); err != nil {
			return fmt.Errorf("write the past: %s: %w", query, err)
		}
	}
	return nil
}
