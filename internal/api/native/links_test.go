package native

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/key"
)

func TestLinksAreListedWithTheirClicks(t *testing.T) {
	t.Parallel()
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	send := func(key string, urls string) MessageReply {
		var m MessageReply
		w.Do(key, "POST", base+"/messages", body("+254701234567", urls, `"shorten_urls":true`)).JSON(t, &m)
		return m
	}
	two := send(secret, "Read https://shop.example/a/long/way and http://help.example.")
	test := send(w.KeyLike(key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Test: true}).Secret, "https://test.example")
	var all, ofTwo, last page[LinkReply]
	w.Do(secret, "GET", base+"/links?limit=2", "").JSON(t, &all)
	w.Do(secret, "GET", base+"/links?limit=2&cursor="+all.NextCursor, "").JSON(t, &last)
	w.Do(secret, "GET", base+"/links?message="+two.ID, "").JSON(t, &ofTwo)
	if len(all.Items) != 2 || len(last.Items) != 1 || len(ofTwo.Items) != 2 || all.Items[0].Message != test.ID {
		t.Fatalf("%+v\n%+v\n%+v", all, last, ofTwo)
	}
	help, shop := ofTwo.Items[0], ofTwo.Items[1]
	if two.Text != "Read "+shop.URL+" and "+help.URL+"." || shop.Target != "https://shop.example/a/long/way" || shop.Clicks != 0 || shop.First != "" {
		t.Errorf("%q has %+v and %+v", two.Text, shop, help)
	}
	path := "/l/" + shop.URL[strings.LastIndex(shop.URL, "/")+1:]
	for range 2 {
		if r := w.Do("", "GET", path, ""); r.Code != http.StatusFound || r.Header().Get("Location") != shop.Target {
			t.Errorf("%s: %d to %s", path, r.Code, r.Header().Get("Location"))
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	w.Gateway.CountClicks(over)
	w.Do(secret, "GET", base+"/links/"+shop.ID, "").JSON(t, &shop)
	if shop.Clicks != 2 || shop.First == "" || shop.Last < shop.First {
		t.Errorf("%+v", shop)
	}
	told := w.Do(secret, "GET", base+"/events?since=2020-01-01T00:00:00Z&kinds=link.*", "").Body.String()
	if strings.Count(told, `"link.clicked"`) != 1 || !strings.Contains(told, `"subject":"`+two.ID+`"`) || !strings.Contains(told, `"url":"`+shop.URL+`"`) {
		t.Error(told)
	}
	expect(t, w.Do(secret, "GET", base+"/links?message=x", ""), 422, "invalid_field", "message")
	expect(t, w.Do(secret, "GET", base+"/links?target=x", ""), 400, "unknown_field", "target")
	expect(t, w.Do(secret, "GET", base+"/links/x", ""), 404, "not_found", "")
}

func TestNoShortLinkIsAFaultOfItsMessage(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.Codes = func() string { return "aaaaaaaa" }
	secret := w.Key(w.Alice, account.Admin)
	expect(t, w.Do(secret, "POST", base+"/messages", body("+254701234567", "https://a.example/1", `"shorten_urls":true`)), 202, "", "")
	expect(t, w.Do(secret, "POST", base+"/messages", body("+254701234567", "https://a.example/2", `"shorten_urls":true`)), 503, "no_short_link", "text")
	var p previewReply
	w.Do(secret, "POST", base+"/messages/preview", body("+254701234567", "https://a.example/"+strings.Repeat("x", 500), `"shorten_urls":true`)).JSON(t, &p)
	if p.ChargedParts != 1 || p.Units != len("https://tidings.example/l/xxxxxxxx") {
		t.Errorf("%+v", p)
	}
}
