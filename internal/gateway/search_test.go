package gateway

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

// addRows stores messages as they are.
func addRows(t testing.TB, s *store.Store, list []message.Message) {
	t.Helper()
	rows := make([]addMessageParams, len(list))
	for i := range list {
		rows[i] = rowOf(&list[i])
	}
	if err := s.Write(func(tx *store.Tx) error { return store.Run(tx, addMessage, rows) }); err != nil {
		t.Fatal(err)
	}
}

func phone(value string) message.Address {
	return message.Address{Kind: message.Phone, Value: value}
}

// TestASearchFindsWhatFits compares searches with a look at all messages.
func TestASearchFindsWhatFits(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	g := &Gateway{Parts: Parts{Store: s}}
	start := s.Now().Add(-time.Hour).Truncate(time.Second)
	const minute = time.Minute
	var all []message.Message
	for i := range 120 {
		m := message.Message{
			ID: id.At[message.Message](start.Add(time.Duration(i)*minute/4)) + message.ID(i), Account: account.ID(1 + i%3), Direction: message.Direction(1 + i%2), Kind: message.SMS,
			To: phone([]string{"+254701234567", "+254701234568"}[i/7%2]), From: message.Address{Kind: message.Name, Value: "SHOP"},
			Content: message.Text(string(rune('a' + i*7%26))), Status: []message.Status{message.Sent, message.Failed, message.Delivered}[i%3],
		}
		if i%11 == 0 {
			m.Kind = message.WhatsApp
		}
		all = append(all, m)
	}
	addRows(t, s, all)
	rapid.Check(t, func(t *rapid.T) {
		in := Search{
			Accounts: rapid.SliceOfNDistinct(rapid.SampledFrom([]account.ID{1, 2, 3, 9}), 1, 3, rapid.ID).Draw(t, "accounts"), Kind: message.SMS,
			Skipped: rapid.IntRange(0, 130).Draw(t, "skipped"), Page: rapid.IntRange(1, 100).Draw(t, "page"),
		}
		if rapid.Bool().Draw(t, "some times") {
			in.Since = start.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "since")) * minute)
			in.Until = in.Since.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "for")) * minute)
		}
		if rapid.Bool().Draw(t, "to one") {
			in.To = phone("+254701234568")
		}
		if rapid.Bool().Draw(t, "failed ones") {
			in.Fits = func(f *Found) bool { return f.Status == message.Failed }
		}
		if rapid.Bool().Draw(t, "by text") {
			in.Texts, in.By = true, func(a, b *Found) int { return cmp.Compare(b.Text, a.Text) }
		}
		want := slices.DeleteFunc(slices.Clone(all), func(m message.Message) bool {
			return !slices.Contains(in.Accounts, m.Account) || m.Kind != in.Kind || !in.Since.IsZero() && (m.ID.Time().Before(in.Since) || !m.ID.Time().Before(in.Until)) ||
				in.To.Value != "" && m.To != in.To || in.Fits != nil && m.Status != message.Failed
		})
		slices.SortStableFunc(want, func(a, b message.Message) int {
			if in.By == nil {
				return cmp.Compare(a.ID, b.ID)
			}
			return cmp.Compare(b.Content.Text, a.Content.Text)
		})
		page, total, err := g.Search(t.Context(), in)
		if err != nil || total != len(want) {
			t.Fatalf("%d of %d (%v)", total, len(want), err)
		}
		want = want[min(in.Skipped, total):min(in.Skipped+in.Page, total)]
		if !slices.EqualFunc(page, want, func(a, b message.Message) bool { return a.ID == b.ID && a.Content.Text == b.Content.Text }) {
			t.Fatalf("found %d, want %d", len(page), len(want))
		}
	})
}

// TestASearchLooksAtTheNewestOfAllAccounts: older messages than the window has are found by saying until when.
func TestASearchLooksAtTheNewestOfAllAccounts(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	g := &Gateway{Parts: Parts{Store: s}}
	const more = 300
	var all []message.Message
	start := s.Now().Add(-time.Hour)
	for i := range SearchWindow + more {
		all = append(all, message.Message{
			ID: id.At[message.Message](start.Add(time.Duration(i)*time.Millisecond)) + 1, Account: account.ID(1 + i%2), Direction: message.Out, Kind: message.SMS, To: phone("+254701234567"),
			Content: message.Text("hello"), Status: message.Sent,
		})
	}
	addRows(t, s, all)
	in := Search{Accounts: []account.ID{1, 2}, Kind: message.SMS, Page: 1}
	page, total, err := g.Search(t.Context(), in)
	if err != nil || total != SearchWindow || page[0].ID != all[more].ID {
		t.Errorf("the window has %d messages, the oldest %v, want %v (%v)", total, page[0].ID, all[more].ID, err)
	}
	in.Until = all[more].ID.Time()
	page, total, err = g.Search(t.Context(), in)
	if err != nil || total != more || page[0].ID != all[0].ID {
		t.Errorf("before are %d messages, the oldest %v, want %v (%v)", total, page[0].ID, all[0].ID, err)
	}
}

// BenchmarkSearch is one page of a search among many messages.
func BenchmarkSearch(b *testing.B) {
	s := storetest.Open(b)
	g := &Gateway{Parts: Parts{Store: s}}
	start := s.Now().Add(-time.Hour)
	for at := 0; at < 50_000; at += 10_000 {
		var all []message.Message
		for i := at; i < at+10_000; i++ {
			all = append(all, message.Message{
				ID: id.At[message.Message](start.Add(time.Duration(i)*time.Millisecond)) + 1, Account: 1, Direction: message.Out, Kind: message.SMS, To: phone("+254701234567"),
				From: message.Address{Kind: message.Name, Value: "SHOP"}, Content: message.Text("hello, this is a message"), Status: message.Sent,
			})
		}
		addRows(b, s, all)
	}
	for b.Loop() {
		if _, total, err := g.Search(b.Context(), Search{Accounts: []account.ID{1}, Kind: message.SMS, Page: 15}); err != nil || total != SearchWindow {
			b.Fatal(total, err)
		}
	}
}
