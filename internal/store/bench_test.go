package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/store"
)

// BenchmarkEach is one statement for one row in a running transaction: what a message's life is made of.
func BenchmarkEach(b *testing.B) {
	type message struct {
		ID, Account        int64
		To, From, Text     string
		Status             int16
		Seq, Attempt       int64
		Encoding, Currency string
		Priority           int16
		At                 int64
	}
	const (
		table  = "CREATE TABLE message2 (id integer NOT NULL PRIMARY KEY, account_id bigint, recipient text, sender text, content text, status smallint, seq bigint, attempt bigint, encoding text, currency text, priority smallint, at bigint)"
		insert = "INSERT INTO message2 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
		update = "UPDATE message2 SET status = $1, seq = seq + 1 WHERE id = $2"
		find   = "SELECT id, account_id, recipient, sender, content, status, seq, attempt, encoding, currency, priority, at FROM message2 WHERE id = $1"
		drop   = "DELETE FROM message2 WHERE id = $1"
	)
	s := open(b)
	write(b, s, func(tx *store.Tx) error {
		_, err := tx.Queries().ExecContext(tx.Context(), table)
		return err
	})
	const rows = 256
	at := int64(0)
	messages, ids := make([]message, rows), make([]int64, rows)
	type change struct {
		Status int16
		ID     int64
	}
	changes := make([]change, rows)
	var spent [4]time.Duration
	timed := func(i int, f func() error) error {
		start := time.Now()
		defer func() { spent[i] += time.Since(start) }()
		return f()
	}
	b.ReportAllocs()
	for range b.N / rows {
		for i := range messages {
			at++
			messages[i] = message{at, 1, "+254701234567", "TIDINGS", strings.Repeat("hello ", 10), 10, 1, 1, "gsm7", "USD", 3, at}
			changes[i], ids[i] = change{11, at}, at
		}
		write(b, s, func(tx *store.Tx) error {
			err := timed(0, func() error { _, err := store.Each(tx, insert, messages); return err })
			if err == nil {
				err = timed(1, func() error { _, err := store.Each(tx, update, changes); return err })
			}
			if err == nil {
				err = timed(2, func() error { _, err := store.Find[message](tx, find, ids); return err })
			}
			if err == nil {
				err = timed(3, func() error { _, err := store.Each(tx, drop, ids); return err })
			}
			return err
		})
	}
	for i, name := range []string{"insert", "update", "find", "delete"} {
		b.ReportMetric(float64(spent[i].Nanoseconds())/float64(max(b.N/rows*rows, 1)), name+"-ns/row")
	}
}

// BenchmarkGroupCommit is concurrent callers that each want one row on disk.
func BenchmarkGroupCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b)
			p := newProbes(s)
			ids := make(chan int64, callers)
			done := make(chan error, callers)
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				go func() {
					for id := range ids {
						if err := p.Do(&row{id, "hello"}, 1); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for i := range b.N {
				ids <- int64(i)
			}
			close(ids)
			for range callers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/float64(max(p.calls.Load(), 1)), "rows/commit")
		})
	}
}
