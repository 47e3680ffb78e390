package native

import (
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
)

func TestWebhooksAreRotatedAndReplayed(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	made := w.Do(secret, "POST", base+"/webhooks", `{"url":"https://example.com/","events":["*"]}`, "Idempotency-Key", "one")
	id := idOf(t, made)
	expect(t, w.Do(secret, "POST", base+"/webhooks", `{"url":"https://example.com/","events":["*"]}`, "Idempotency-Key", "one"), 409, "already_exists", "")
	hook := base + "/webhooks/" + id
	rotated := w.Do(secret, "POST", hook+"/rotate", `{"grace":"1h"}`, "Idempotency-Key", "two")
	if rotated.Code != 200 || !strings.Contains(rotated.Body.String(), `"secret":"whsec_`) {
		t.Errorf("rotated: %d %s", rotated.Code, rotated.Body)
	}
	expect(t, w.Do(secret, "POST", hook+"/rotate", `{"grace":"1h"}`, "Idempotency-Key", "two"), 409, "already_exists", "")
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	begun := w.Do(secret, "POST", hook+"/replay", `{"since":"`+since+`","only":"all","kinds":["message.*"]}`, "Idempotency-Key", "three")
	again := w.Do(secret, "POST", hook+"/replay", `{"since":"`+since+`","only":"all","kinds":["message.*"]}`, "Idempotency-Key", "three")
	if begun.Code != 202 || again.Body.String() != begun.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %d %s, and again %s", begun.Code, begun.Body, again.Body)
	}
	var run runReply
	read := w.Do(secret, "GET", hook+"/replays/"+idOf(t, begun), "")
	if read.JSON(t, &run); read.Code != 200 || run.Status != "running" || run.Only != "all" || run.Webhook != id {
		t.Errorf("reads %d %s", read.Code, read.Body)
	}
	for body, field := range map[string]string{
		`{"since":"` + since + `","only":"some"}`: "only", `{"since":"today"}`: "since", `{"since":"2020-01-01T00:00:00Z"}`: "since",
		`{"since":"` + since + `","until":"x"}`: "until", `{"since":"` + since + `","kinds":["x"]}`: "kinds[0]",
	} {
		expect(t, w.Do(secret, "POST", hook+"/replay", body), 422, "invalid_field", field)
	}
	expect(t, w.Do(secret, "POST", hook+"/replay", `{}`), 422, "missing_field", "since")
	for _, grace := range []string{"long", "-1h", "169h"} {
		expect(t, w.Do(secret, "POST", hook+"/rotate", `{"grace":"`+grace+`"}`), 422, "invalid_field", "grace")
	}
	for _, status := range []string{"pending", "delivered", "failed"} {
		if r := w.Do(secret, "GET", hook+"/deliveries?status="+status, ""); r.Code != 200 {
			t.Errorf("%s: %d %s", status, r.Code, r.Body)
		}
	}
	expect(t, w.Do(secret, "GET", hook+"/deliveries?status=lost", ""), 422, "invalid_field", "status")
	tested := w.Do(secret, "POST", hook+"/test", "") // there is no way out of here
	var trial testReply
	if tested.JSON(t, &trial); tested.Code != 200 || trial.OK || trial.Error == "" {
		t.Errorf("test: %d %s", tested.Code, tested.Body)
	}
}
