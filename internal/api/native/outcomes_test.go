package native

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// mumbling is a network whose answers nobody can make out.
type mumbling struct{}

func (mumbling) Send(context.Context, message.Outbound) (string, error) {
	return "", errors.New("mumble")
}
func (mumbling) Run(context.Context) error { return nil }

// held makes a message of Alice's whose outcome is unknown.
func held(t *testing.T, w *apitest.World, secret string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		w.Gateway.Queue.Work(ctx, ctx, gateway.Lane(w.Channel, 0), 1, nil, w.Gateway.Sender(mumbling{}))
	})
	defer working.Wait()
	defer stop()
	id := idOf(t, w.Do(secret, "POST", base+"/messages", body("+254701234567", "x", `"on_unknown":"hold"`)))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var m MessageReply
		if w.Do(secret, "GET", base+"/messages/"+id, "").JSON(t, &m); m.Status == "unknown" {
			return id
		}
		if time.Now().After(end) {
			t.Fatalf("it is %s", m.Status)
		}
	}
}

func TestAMessageIsDecidedOnce(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	id := held(t, w, secret)
	path := base + "/messages/" + id + "/resolve"
	var waiting page[MessageReply]
	w.Do(secret, "GET", base+"/messages?status=unknown", "").JSON(t, &waiting)
	if len(waiting.Items) != 1 || waiting.Items[0].ID != id {
		t.Errorf("%+v wait for a decision", waiting.Items)
	}
	for _, bad := range []struct {
		body, code, field string
		status            int
	}{
		{`{"outcome":"perhaps"}`, "invalid_field", "outcome", 422},
		{`{}`, "invalid_field", "outcome", 422},
		{`{"outcome":"sent","price":1}`, "unknown_field", "price", 400},
		{`[]`, "malformed_body", "", 400},
	} {
		expect(t, w.Do(secret, "POST", path, bad.body), bad.status, bad.code, bad.field)
	}
	expect(t, w.Do(w.Key(w.Alice, account.MessagesRead), "POST", path, `{"outcome":"sent"}`), 403, "scope_missing", "")
	expect(t, w.Do(w.Key(w.Bob, account.Admin), "POST", path, `{"outcome":"sent"}`), 404, "not_found", "")
	first := w.Do(secret, "POST", path, `{"outcome":"sent"}`, "Idempotency-Key", "k")
	var m MessageReply
	if first.JSON(t, &m); first.Code != 200 || m.ID != id || m.Status != "sent" {
		t.Errorf("%d %s", first.Code, first.Body)
	}
	again := w.Do(secret, "POST", path, `{"outcome":"sent"}`, "Idempotency-Key", "k")
	if again.Code != 200 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %d %s", again.Code, again.Body)
	}
	expect(t, w.Do(secret, "POST", path, `{"outcome":"failed"}`), 409, "not_in_doubt", "")
}

func TestUnmatchedReceiptsAreTheirOwners(t *testing.T) {
	w := begin(t)
	for _, id := range []string{"one", "two", "three"} {
		if err := w.Gateway.Receipt(t.Context(), message.Receipt{Channel: w.Channel, RemoteID: id, Status: message.Failed, Reason: "expired", Code: "3", Raw: "id:" + id}); err != nil {
			t.Fatal(err)
		}
	}
	w.Core.Store.Shift(2 * time.Minute)
	list := func(secret, query string) (p page[receiptReply]) {
		t.Helper()
		w.Do(secret, "GET", base+"/receipts/unmatched"+query, "").JSON(t, &p)
		return p
	}
	operator := w.Key(w.Operator, account.Admin)
	p := list(operator, "?limit=2")
	if len(p.Items) != 2 || p.Items[0].RemoteID != "three" || p.Items[0].Status != "failed" || p.Items[0].Channel != w.Channel.String() || p.NextCursor == "" {
		t.Errorf("%+v", p)
	}
	if rest := list(operator, "?cursor="+p.NextCursor); len(rest.Items) != 1 || rest.Items[0].RemoteID != "one" || rest.NextCursor != "" {
		t.Errorf("%+v", rest)
	}
	if p := list(w.Key(w.Alice, account.Admin), ""); len(p.Items) != 0 {
		t.Errorf("Alice sees receipts of a channel that is not hers: %+v", p)
	}
}
