package native

import (
	"testing"
	"time"

	"tidings.dev/internal/account"
)

func TestUsageIsCountedByWhatTheCallerAsks(t *testing.T) {
	w := tenants{begin(t), t}
	alice := w.Key(w.Alice, account.Admin)
	made := w.do(201, alice, "POST", "/accounts", `{"name":"Shop","wallet":"parent"}`)
	today := w.Core.Store.Now().Format(time.DateOnly)
	for range 3 {
		w.do(202, alice, "POST", "/messages", body("+254701234567", "x"))
	}
	w.do(202, alice, "POST", "/messages", body("+254701234567", "x"), "Tidings-Account", made.ID)
	w.Shift(24 * time.Hour)
	w.do(202, alice, "POST", "/messages", body("+254701234567", "x"))
	w.do(202, w.Key(w.Bob, account.Admin), "POST", "/messages", body("+254701234567", "x"))
	ask := func(secret, query string, headers ...string) (u usageReply) {
		t.Helper()
		r := w.Do(secret, "GET", base+"/usage"+query, "", headers...)
		if r.Code != 200 {
			t.Fatalf("%s: %d %s", query, r.Code, r.Body)
		}
		r.JSON(t, &u)
		return u
	}
	days := ask(alice, "").Items
	if len(days) != 2 || days[0].Day != today || days[0].Accepted != 3 || days[0].Parts != 3 || days[0].Currency != "KES" || days[1].Accepted != 1 {
		t.Errorf("by day: %+v", days)
	}
	if got := ask(alice, "?by=channel&until="+today).Items; len(got) != 1 || got[0].Channel != w.Channel.String() || got[0].Accepted != 3 {
		t.Errorf("by channel: %+v", got)
	}
	if got := ask(alice, "?by=kind").Items; len(got) != 1 || got[0].Kind != "sms" || got[0].Accepted != 4 {
		t.Errorf("by kind: %+v", got)
	}
	if got := ask(alice, "?by=account&kind=whatsapp").Items; len(got) != 0 {
		t.Errorf("of another kind: %+v", got)
	}
	got := ask(alice, "?by=account&kind=sms").Items
	if len(got) != 2 || got[0].Account != w.Alice.ID.String() || got[0].Accepted != 4 || got[1].Account != made.ID || got[1].Accepted != 1 {
		t.Errorf("by account: %+v", got)
	}
	if got := ask(alice, "", "Tidings-Account", made.ID).Items; len(got) != 1 || got[0].Accepted != 1 {
		t.Errorf("the subaccount's: %+v", got)
	}
	if got := ask(alice, "?since=2020-01-01&until=2020-12-31"); len(got.Items) != 0 || got.Since != "2020-01-01" {
		t.Errorf("before: %+v", got)
	}
	for query, field := range map[string]string{
		"?by=week": "by", "?since=yesterday": "since", "?until=2027-01-31T00:00:00Z": "until", "?since=2027-02-01&until=2027-01-01": "since", "?since=2020-01-01&until=2027-01-01": "since",
	} {
		expect(t, w.Do(alice, "GET", base+"/usage"+query, ""), 422, "invalid_field", field)
	}
}
