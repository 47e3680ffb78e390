package main

import (
	"slices"
	"testing"
	"time"
)

func historyOf(seed uint64, rows int) *history {
	p := place{Webhook: 3, End: time.UnixMilli(1_800_000_000_000)}
	for n := range shares {
		p.Accounts = append(p.Accounts, int64(100+n))
	}
	for n := range carried {
		p.Channels = append(p.Channels, int64(200+n))
	}
	return newHistory(seed, rows, p)
}

func TestHistoryRepeatsAndIsInOrder(t *testing.T) {
	s, again := newShare(), newShare()
	if !historyOf(7, 5000).fill(s, 5000) || !historyOf(7, 5000).fill(again, 5000) {
		t.Fatal("nothing came")
	}
	for n, table := range s.tables() {
		if !slices.Equal(table.values, again.tables()[n].values) {
			t.Errorf("%s is another the second time", table.name)
		}
		if table.len() == 0 || len(table.values)%len(table.columns) != 0 {
			t.Errorf("%s has %d values for %d columns", table.name, len(table.values), len(table.columns))
		}
	}
	last := int64(0)
	for at := 0; at < len(s.message.values); at += len(s.message.columns) {
		if key := s.message.values[at].(int64); key <= last {
			t.Fatalf("key %d comes after %d", key, last)
		} else {
			last = key
		}
	}
}

func TestHistoryEnds(t *testing.T) {
	h, s, rows := historyOf(1, 2500), newShare(), 0
	for h.fill(s, 1000) {
		rows += s.message.len()
	}
	if rows != 2500 {
		t.Errorf("%d messages", rows)
	}
}

// Every book of a wallet is the sum of what was moved into it and out of it.
func TestHistoryBalances(t *testing.T) {
	h, s := historyOf(3, 20_000), newShare()
	h.fill(s, 20_000)
	opening, wallets := h.opening()
	books := map[int64]map[string]int64{}
	for _, table := range []*table{&s.transfer, &opening} {
		for at := 0; at < len(table.values); at += len(table.columns) {
			row := table.values[at : at+len(table.columns)]
			a := row[0].(int64)
			if books[a] == nil {
				books[a] = map[string]int64{}
			}
			books[a][row[3].(string)] -= row[5].(int64)
			books[a][row[4].(string)] += row[5].(int64)
		}
	}
	for _, w := range wallets {
		b := books[w[3].(int64)]
		if b["available"] != w[0] || b["charged"] != w[1] || -b["funds"] != w[2] || b["held"] != 0 {
			t.Errorf("wallet %v, books %v", w, b)
		}
	}
}

func TestTailIsWhatCounts(t *testing.T) {
	f := Figure{Floor: 20, Aim: 5, Lower: true, Tail: true}
	for n := range 100 {
		f.add(float64(n % 10))
	}
	if f.verdict() != "ok" || f.value() != 9 {
		t.Errorf("%v is %s", f.value(), f.verdict())
	}
}
