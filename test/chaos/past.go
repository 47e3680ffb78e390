package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tidings.dev/internal/id"
)

// Everything of the past is between these ages, and retention ends after a day, the shortest that the product takes.
const (
	pastFrom  = 5 * 24 * time.Hour
	pastUntil = 4 * 24 * time.Hour
)

// retention are the settings under which all of the past may go.
var retention = []string{
	"TIDINGS_RETENTION_BODIES=24h", "TIDINGS_RETENTION_MESSAGES=24h", "TIDINGS_RETENTION_EVENTS=24h",
	"TIDINGS_RETENTION_DELIVERIES=24h", "TIDINGS_RETENTION_LEDGER=24h",
}

// The past in the words of both engines: @n are the numbers of its messages, @at when each came, in Unix milliseconds. A
// message was sent after a second and delivered after two, paid for, and its customer told of both at an endpoint that is
// no longer there. Keys are those of nodes that no server is.
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
	pastNumbers + `INSERT INTO delivery (id, webhook_id, account_id, subject, seq, kind, tries, done, status, took, at)
		SELECT ` + pastKey + ` + 16384 + s.seq, 1, @account, ` + pastKey + `, s.seq, s.kind, 1, 1, 200, 7, @at + s.seq * 1000 FROM past, @stories`,
	pastNumbers + `INSERT INTO transfer (account_id, subject, step, debit, credit, amount, at)
		SELECT @account, ` + pastKey + `, s.step, s.debit, s.credit, @price, @at + s.after FROM past, (
			SELECT 'hold' AS step, 'available' AS debit, 'held' AS credit, 0 AS after UNION ALL SELECT 'end', 'held', 'charged', 1000) AS s`,
	`UPDATE wallet SET available = available - @count * @price, charged = charged + @count * @price WHERE account_id = @account`,
}

const pastStories = `(SELECT 1 AS seq, 'message.sent' AS kind, '{"status":"sent","attempt":1}' AS data
	UNION ALL SELECT 2, 'message.delivered', '{"status":"delivered","attempt":1}') AS s`

// writePast fills the database that the product has made, and that nobody serves yet, with messages past their retention. It
// returns the key that all of theirs are below.
func (b *Base) writePast(ctx context.Context, account, channel string, count int) (bound int64, err error) {
	owner, err := id.Parse[struct{}](account)
	if err != nil {
		return 0, err
	}
	carrier, err := id.Parse[struct{}](channel)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	from, slot := began.Add(-pastFrom).UnixMilli(), (pastFrom-pastUntil).Milliseconds()/int64(count)
	epoch := id.Of[struct{}](0).Time().UnixMilli()
	words := strings.NewReplacer(
		"@stories", pastStories, "@at", fmt.Sprintf("(%d + n * %d)", from, slot), "@epoch", fmt.Sprint(epoch), "@count", fmt.Sprint(count),
		"@account", fmt.Sprint(int64(owner)), "@channel", fmt.Sprint(int64(carrier)), "@price", fmt.Sprint(price))
	first, last := []string{"SET synchronous_commit = off"}, []string{"VACUUM ANALYZE", "CHECKPOINT"}
	if b.cluster == nil {
		first, last = []string{"PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000"}, []string{"PRAGMA wal_checkpoint(TRUNCATE)"}
	}
	db, err := b.connect("")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, query := range append(append(first, pastRows...), last...) {
		if _, err := db.ExecContext(ctx, words.Replace(query)); err != nil {
			return 0, fmt.Errorf("write the past: %s: %w", query, err)
		}
	}
	return int64(id.At[struct{}](began.Add(-pastUntil).Add(time.Second))), nil
}
