package native

import (
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
)

// feedPage is one page of events.
type feedPage struct {
	Items []struct {
		Type, Subject string
		Seq           int
		Data          map[string]any
	}
	NextCursor string `json:"next_cursor"`
}

func TestEventsAreReadFromACursorOn(t *testing.T) {
	w := begin(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	ask := func(query string) (p feedPage) {
		t.Helper()
		r := w.Do(alice, "GET", base+"/events"+query, "")
		if r.Code != 200 {
			t.Fatalf("%s: %d %s", query, r.Code, r.Body)
		}
		r.JSON(t, &p)
		return p
	}
	begun := ask("")
	if len(begun.Items) != 0 || begun.NextCursor == "" {
		t.Errorf("a list without a cursor begins with %+v", begun)
	}
	since := "?since=" + time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	cancelled := func(secret string) string {
		id := idOf(t, w.Do(secret, "POST", base+"/messages", body("+254701234567", "x")))
		w.Do(secret, "POST", base+"/messages/"+id+"/cancel", "")
		return id
	}
	first, second := cancelled(alice), cancelled(alice)
	cancelled(bob)
	err := w.Core.Store.Write(func(tx *store.Tx) error {
		return w.Core.Events.Notice(tx, event.Notice{Account: w.Alice.ID, Subject: int64(w.Alice.ID), Kind: event.WalletLow, Data: event.Wallet{Balance: 1, Currency: "KES"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		"?cursor=" + begun.NextCursor: 3, since: 3, since + "&limit=2": 2, since + "&kinds=wallet.*,message.sent": 1, since + "&subject=" + first: 1,
		since + "&kinds=message.sent": 0, "?wait=5ms": 0, since + "&wait=30s": 3,
	} {
		if got := ask(query); len(got.Items) != want {
			t.Errorf("%s: %+v, want %d", query, got, want)
		}
	}
	page := ask("?limit=2&cursor=" + begun.NextCursor)
	if page.Items[0].Subject != first || page.Items[1].Subject != second || page.Items[0].Type != "message.cancelled" || page.Items[0].Data["id"] != first {
		t.Errorf("the first page is %+v", page)
	}
	page = ask("?cursor=" + page.NextCursor)
	if len(page.Items) != 1 || page.Items[0].Data["balance_micros"] != 1.0 {
		t.Errorf("the second page is %+v", page)
	}
	if last := ask("?cursor=" + page.NextCursor); len(last.Items) != 0 || last.NextCursor == "" {
		t.Errorf("the last page is %+v", last)
	}
	expect(t, w.Do(bob, "GET", base+"/events?cursor="+page.NextCursor, ""), 400, "invalid_cursor", "cursor")
	reply := w.Do(bob, "GET", base+"/events"+since+"&subject="+first, "")
	var theirs feedPage
	reply.JSON(t, &theirs)
	if reply.Code != 200 || len(theirs.Items) != 0 {
		t.Errorf("another account sees %s", reply.Body)
	}
}

func TestEventsAreAskedForInGoodWords(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.MessagesRead)
	for query, field := range map[string]string{
		"?kinds=message.exploded": "kinds", "?kinds=,": "kinds", "?wait=31s": "wait", "?wait=long": "wait", "?wait=-1s": "wait", "?since=today": "since",
		"?subject=x": "subject", "?limit=0": "limit",
	} {
		expect(t, w.Do(secret, "GET", base+"/events"+query, ""), 422, "invalid_field", field)
	}
	expect(t, w.Do(secret, "GET", base+"/events?since=2026-01-01T00:00:00Z&cursor=x", ""), 422, "invalid_field", "since")
	expect(t, w.Do(w.Key(w.Alice, account.WebhooksWrite), "GET", base+"/events", ""), 403, "scope_missing", "")
}
