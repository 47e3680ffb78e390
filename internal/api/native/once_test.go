package native

import (
	"net/http"
	"sync"
	"testing"

	"tidings.dev/internal/account"
)

func TestASecretIsMadeOnceAndNotRepeated(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const body = `{"scopes":["messages:read"]}`
	var all sync.WaitGroup
	codes := make(chan int, 20)
	for range cap(codes) {
		all.Go(func() { codes <- w.Do(secret, "POST", base+"/keys", body, "Idempotency-Key", "k").Code })
	}
	all.Wait()
	close(codes)
	seen := map[int]int{}
	for code := range codes {
		seen[code]++
	}
	var keys page[KeyReply]
	w.Do(secret, "GET", base+"/keys", "").JSON(t, &keys)
	if seen[http.StatusCreated] != 1 || seen[http.StatusConflict] != 19 || len(keys.Items) != 2 {
		t.Fatalf("20 repeats answer %v and leave %d keys", seen, len(keys.Items))
	}
	again := w.Do(secret, "POST", base+"/keys", body, "Idempotency-Key", "k")
	expect(t, again, 409, "already_exists", "")
	var p problem
	again.JSON(t, &p)
	if p.ExistingID != keys.Items[0].ID {
		t.Errorf("the repeat names %q, the key is %s", p.ExistingID, keys.Items[0].ID)
	}
	expect(t, w.Do(secret, "POST", base+"/keys", `{"scopes":["messages:send"]}`, "Idempotency-Key", "k"), 422, "idempotency_key_reused", "")
	expect(t, w.Do(secret, "POST", base+"/keys", body, "Idempotency-Key", "two words"), 422, "invalid_field", "Idempotency-Key")

	// What was refused left nothing, so that its key may be used again.
	expect(t, w.Do(secret, "POST", base+"/keys", `{"scopes":["operator"]}`, "Idempotency-Key", "l"), 403, "scope_missing", "scopes")
	if r := w.Do(secret, "POST", base+"/keys", body, "Idempotency-Key", "l"); r.Code != http.StatusCreated {
		t.Errorf("after a refusal: %d %s", r.Code, r.Body)
	}
	// Another account's key of the same name is another.
	if r := w.Do(w.Key(w.Bob, account.Admin), "POST", base+"/keys", body, "Idempotency-Key", "k"); r.Code != http.StatusCreated {
		t.Errorf("Bob: %d %s", r.Code, r.Body)
	}
}
