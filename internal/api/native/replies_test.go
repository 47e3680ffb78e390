package native

import (
	"strings"
	"testing"

	"tidings.dev/internal/account"
)

func TestAnAccountChoosesItsReplies(t *testing.T) {
	w := begin(t)
	secret, path := w.Key(w.Alice, account.Admin), base+"/opt-outs/replies"
	read := func(secret string) (r repliesReply) {
		t.Helper()
		w.Do(secret, "GET", path, "").JSON(t, &r)
		return r
	}
	first := read(secret)
	if !first.Enabled || first.Language != "en" || !strings.HasPrefix(*first.Texts["en"].Stop, "You will get no more") || first.Texts["sw"].Help == nil {
		t.Errorf("%+v", first)
	}
	for _, bad := range []struct {
		body, code, field string
		status            int
	}{
		{"", "malformed_body", "", 400},
		{`{"texts":{"en":{"quit":"x"}}}`, "unknown_field", "texts.en.quit", 400},
		{`{"texts":{"english":{"stop":"x"}}}`, "invalid_field", "texts", 422},
		{`{"texts":{"en":{"stop":"STOP"}}}`, "invalid_field", "texts.en.stop", 422},
		{`{"texts":{"en":{"stop":"` + strings.Repeat("x", 481) + `"}}}`, "invalid_field", "texts.en.stop", 422},
		{`{"language":"xx"}`, "invalid_field", "language", 422},
	} {
		expect(t, w.Do(secret, "PUT", path, bad.body), bad.status, bad.code, bad.field)
	}
	expect(t, w.Do(w.Key(w.Alice, account.AccountRead), "PUT", path, `{}`), 403, "scope_missing", "")
	r := w.Do(secret, "PUT", path, `{"enabled":false,"language":"sw","texts":{"sw":{"stop":"Kwaheri.","help":""}}}`)
	if got := read(secret); r.Code != 200 || got.Enabled || got.Language != "sw" || *got.Texts["sw"].Stop != "Kwaheri." || *got.Texts["sw"].Help != "" {
		t.Errorf("%d %s, then %+v", r.Code, r.Body, got)
	}
	if other := read(w.Key(w.Bob, account.Admin)); !other.Enabled || other.Language != "en" {
		t.Errorf("Bob's are %+v", other)
	}
	w.Do(secret, "PUT", path, `{}`)
	if got := read(secret); !got.Enabled || *got.Texts["sw"].Stop == "Kwaheri." {
		t.Errorf("%+v", got)
	}
}
