package native

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/store"
)

func TestWhoMaySendAsWhom(t *testing.T) {
	w := begin(t)
	alice, bob, op := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	shared := w.Channel.String()
	send := func(secret, from string) string {
		t.Helper()
		r := w.Do(secret, "POST", base+"/messages", body("+254701234567", "x", `"from":"`+from+`"`))
		if r.Code == 202 {
			return "yes"
		}
		var p problem
		r.JSON(t, &p)
		return p.Code + " " + p.Field
	}
	const no = "invalid_sender from"
	if got := send(alice, "SHOP"); got != "yes" {
		t.Errorf("on a channel for all, any sender: %s", got)
	}
	give := func(path, extra string) string {
		t.Helper()
		return idOf(t, w.Do(op, "POST", base+path, `{"channel":"`+shared+`","account_id":"`+w.Alice.ID.String()+`"`+extra+`}`))
	}
	number := give("/numbers", `,"address":"+254711000000"`)
	if a, b := send(alice, "+254711000000"), send(bob, "+254711000000"); a != "yes" || b != no {
		t.Errorf("as a number of Alice's: Alice %s, Bob %s", a, b)
	}
	expect(t, w.Do(op, "PATCH", base+"/channels/"+shared, `{"senders":"registered"}`), 200, "", "")
	if got := send(alice, "SHOP"); got != no {
		t.Errorf("a sender that nobody registered: %s", got)
	}
	if got := send(bob, "TIDINGS"); got != "yes" { // the channel's own
		t.Errorf("the channel's own sender: %s", got)
	}
	sender := give("/senders", `,"address":"SHOP"`)
	if a, b := send(alice, "SHOP"), send(bob, "SHOP"); a != "yes" || b != no {
		t.Errorf("as a registered sender of Alice's: Alice %s, Bob %s", a, b)
	}
	for _, path := range []string{"/numbers", "/senders"} {
		body := `{"channel":"` + shared + `","address":"OTHER"`
		expect(t, w.Do(alice, "POST", base+path, body+`}`), 403, "scope_missing", "channel")
		expect(t, w.Do(alice, "POST", base+path, `{"address":"OTHER"}`), 422, "missing_field", "channel")
		expect(t, w.Do(alice, "POST", base+path, `{"channel":"`+shared+`"}`), 422, "missing_field", "address")
		expect(t, w.Do(alice, "POST", base+path, `{"channel":"x","address":"OTHER"}`), 422, "no_channel", "channel")
		expect(t, w.Do(op, "POST", base+path, `{"channel":"`+shared+`","address":"two words"}`), 422, "invalid_sender", "address")
		expect(t, w.Do(op, "POST", base+path, body+`,"account_id":"`+shared+`"}`), 422, "invalid_field", "account_id")
	}
	expect(t, w.Do(op, "POST", base+"/senders", `{"channel":"`+shared+`","account_id":"`+w.Alice.ID.String()+`","address":"SHOP"}`), 409, "already_exists", "address")
	expect(t, w.Do(alice, "DELETE", base+"/senders/"+sender, ""), 403, "scope_missing", "")
	expect(t, w.Do(alice, "PATCH", base+"/numbers/"+number, `{"keyword":"x"}`), 403, "scope_missing", "")
	expect(t, w.Do(bob, "DELETE", base+"/numbers/"+number, ""), 404, "not_found", "")
	expect(t, w.Do(op, "PATCH", base+"/numbers/"+number, `{"keyword":"two words"}`), 422, "invalid_field", "keyword")
	var n NumberReply
	w.Do(op, "PATCH", base+"/numbers/"+number, `{"keyword":"pizza","account_id":"`+w.Bob.ID.String()+`"}`).JSON(t, &n)
	if n.Keyword != "PIZZA" || n.Account != w.Bob.ID.String() {
		t.Errorf("changed to %+v", n)
	}
	var numbers page[NumberReply]
	w.Do(bob, "GET", base+"/numbers", "").JSON(t, &numbers)
	if len(numbers.Items) != 1 || numbers.Items[0] != n {
		t.Errorf("Bob has %+v", numbers.Items)
	}
	expect(t, w.Do(op, "DELETE", base+"/senders/"+sender, ""), 204, "", "")
	if got := send(alice, "SHOP"); got != no {
		t.Errorf("leave that was taken back: %s", got)
	}
	own := idOf(t, w.Do(alice, "POST", base+"/channels", `{"name":"own","driver":"mute"}`))
	expect(t, w.Do(alice, "POST", base+"/numbers", `{"channel":"`+own+`","address":"ACME","account_id":"`+w.Bob.ID.String()+`"}`), 403, "scope_missing", "account_id")
	mine := idOf(t, w.Do(alice, "POST", base+"/numbers", `{"channel":"`+own+`","address":"ACME"}`))
	expect(t, w.Do(alice, "DELETE", base+"/numbers/"+mine, ""), 204, "", "")
}

// Of two changes at once neither takes the other back: a number that was given away stays with whom it was given to.
func TestTwoChangesOfANumberAtOnce(t *testing.T) {
	w := begin(t)
	op := w.Key(w.Operator, account.Operate)
	made := idOf(t, w.Do(op, "POST", base+"/numbers", `{"channel":"`+w.Channel.String()+`","account_id":"`+w.Alice.ID.String()+`","address":"+254711000000"}`))
	begun, release := make(chan struct{}), make(chan struct{})
	given := make(chan error, 1)
	go func() {
		given <- w.Core.Store.Write(func(tx *store.Tx) error {
			close(begun)
			<-release
			all, err := w.Core.Numbers.All(tx.Context())
			if err != nil {
				return err
			}
			all[0].Account = w.Bob.ID
			_, err = w.Core.Numbers.Change(tx, audit.System, all[0])
			return err
		})
	}()
	<-begun
	changed := make(chan apitest.Reply, 1)
	go func() { changed <- w.Do(op, "PATCH", base+"/numbers/"+made, `{"keyword":"pizza"}`) }()
	time.Sleep(20 * time.Millisecond) // it has looked at the number, and waits for the writer
	close(release)
	if err := <-given; err != nil {
		t.Fatal(err)
	}
	var n NumberReply
	(<-changed).JSON(t, &n)
	if n.Account != w.Bob.ID.String() || n.Keyword != "PIZZA" {
		t.Errorf("it is %+v", n)
	}
}

func TestOptOutsAreKeptWithTheirEvidence(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	var made optOutsReply
	r := w.Do(alice, "POST", base+"/opt-outs", `{"addresses":["0701000001","+254701000002","call me","0701000001"],"source":"import","note":"old list"}`, "Idempotency-Key", "k")
	expect(t, r, 201, "", "")
	r.JSON(t, &made)
	if made.Added != 2 || made.Results[0].Address != "+254701000001" || !made.Results[1].Added || made.Results[2].Error.Field != "addresses[2]" || made.Results[3].Added {
		t.Errorf("%s", r.Body)
	}
	if again := w.Do(alice, "POST", base+"/opt-outs", `{"addresses":["0701000001","+254701000002","call me","0701000001"],"source":"import","note":"old list"}`, "Idempotency-Key", "k"); again.Body.String() != r.Body.String() {
		t.Errorf("repeated as %s", again.Body)
	}
	expect(t, w.Do(alice, "POST", base+"/messages", body("+254701000001", "x")), 422, "recipient_opted_out", "to")
	var outs page[OptOutReply]
	w.Do(alice, "GET", base+"/opt-outs?address=0701000001", "").JSON(t, &outs)
	if len(outs.Items) != 1 || outs.Items[0].Address != "+254701000001" {
		t.Fatalf("%+v", outs.Items)
	}
	path := base + "/opt-outs/" + outs.Items[0].ID
	expect(t, w.Do(alice, "DELETE", path, ""), 422, "missing_field", "reason")
	expect(t, w.Do(alice, "DELETE", path+"?reason="+strings.Repeat("x", 201), ""), 422, "invalid_field", "reason")
	expect(t, w.Do(alice, "DELETE", path+"?reason=asked+by+phone", ""), 204, "", "")
	expect(t, w.Do(alice, "DELETE", path+"?reason=again", ""), 404, "not_found", "")
	expect(t, w.Do(alice, "POST", base+"/messages", body("+254701000001", "x")), 202, "", "")
	var log page[choiceReply]
	w.Do(alice, "GET", base+"/opt-outs/log?address=%2B254701000001", "").JSON(t, &log)
	story := ""
	for _, c := range log.Items {
		story += fmt.Sprintf("%v %s %q %v, ", c.OptedIn, c.Source, c.Note, strings.HasPrefix(c.Actor, "key:"))
	}
	if story != `true api "asked by phone" true, false import "old list" true, false import "old list" true, ` {
		t.Errorf("the log says %s", story)
	}
	w.Do(alice, "GET", base+"/opt-outs", "").JSON(t, &outs)
	if len(outs.Items) != 1 {
		t.Errorf("%+v", outs.Items)
	}
	for body, want := range map[string]string{
		`{}`:               "missing_field addresses",
		`{"addresses":[]}`: "missing_field addresses",
		`{"addresses":["+254701000003"],"source":"hearsay"}`:                            "invalid_field source",
		`{"addresses":["+254701000003"],"note":"` + strings.Repeat("x", 201) + `"}`:     "invalid_field note",
		`{"addresses":[` + strings.TrimSuffix(strings.Repeat(`"1",`, 1001), ",") + `]}`: "too_many_items addresses",
	} {
		var p problem
		w.Do(alice, "POST", base+"/opt-outs", body).JSON(t, &p)
		if got := p.Code + " " + p.Field; got != want {
			t.Errorf("%.60s is %s, want %s", body, got, want)
		}
	}
}

func TestPricesHoldByTheirLongestPrefix(t *testing.T) {
	w := begin(t)
	alice, bob, op := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	expect(t, w.Do(op, "PUT", base+"/prices", `{"prices":[{"prefix":"1","currency":"KES","amount_micros":5},{"prefix":"254x","currency":"KES","amount_micros":5},{"prefix":"1234567890123456","currency":"KES","amount_micros":5}]}`), 422, "invalid_field", "prices[1]")
	for body, field := range map[string]string{
		`{"prefix":"1","currency":"KES","amount_micros":-1}`:                                          "prices[0]",
		`{"prefix":"1","currency":"K","amount_micros":1}`:                                             "prices[0]",
		`{"prefix":"1","currency":"KES","amount_micros":1,"account_id":"` + w.Channel.String() + `"}`: "prices[0].account_id",
	} {
		expect(t, w.Do(op, "PUT", base+"/prices", `{"prices":[`+body+`]}`), 422, "invalid_field", field)
	}
	expect(t, w.Do(op, "PUT", base+"/prices", `{"prices":[]}`), 422, "missing_field", "prices")
	list := func(secret, query string) (all string) {
		t.Helper()
		for cursor := ""; ; {
			var p page[priceReply]
			r := w.Do(secret, "GET", base+"/prices?limit=1"+query+"&cursor="+cursor, "")
			expect(t, r, 200, "", "")
			r.JSON(t, &p)
			for _, price := range p.Items {
				all += fmt.Sprintf("%s=%d", price.Prefix, price.Amount)
				if price.Account != "" {
					all += "!"
				}
				all += " "
			}
			if cursor = p.NextCursor; cursor == "" {
				return all
			}
		}
	}
	if got := list(op, ""); got != "254=800000 " { // nothing of the lists that were refused
		t.Errorf("the book is %s", got)
	}
	expect(t, w.Do(op, "PUT", base+"/prices", `{"prices":[{"prefix":"25470","currency":"KES","amount_micros":7},{"prefix":"44","currency":"KES","amount_micros":9},{"prefix":"2547","currency":"KES","amount_micros":6,"account_id":"`+w.Alice.ID.String()+`"}]}`), 200, "", "")
	for _, c := range []struct{ secret, query, want string }{
		{alice, "", "254=800000 2547=6! 44=9 "},
		{bob, "", "254=800000 25470=7 44=9 "},
		{op, "&account=" + w.Alice.ID.String(), "2547=6! "},
		{op, "&currency=USD", ""},
		{alice, "&to=0701234567", "2547=6! "},
		{bob, "&to=0701234567", "25470=7 "},
	} {
		if got := list(c.secret, c.query); got != c.want {
			t.Errorf("%s lists %s, want %s", c.query, got, c.want)
		}
	}
	expect(t, w.Do(bob, "GET", base+"/prices?account="+w.Alice.ID.String(), ""), 403, "scope_missing", "")
	expect(t, w.Do(bob, "GET", base+"/prices?to=%2B15550000123", ""), 422, "no_price", "")
	expect(t, w.Do(op, "DELETE", base+"/prices?prefix=44", ""), 422, "missing_field", "currency")
	expect(t, w.Do(op, "DELETE", base+"/prices?prefix=44&currency=KES", ""), 204, "", "")
	expect(t, w.Do(op, "DELETE", base+"/prices?prefix=44&currency=KES", ""), 404, "not_found", "")
}

// TestRulesOfSendingHoldInABatchAndForASubaccount has the parent set the rules of its subaccount, and looks at a batch in which some items
// break them.
func TestRulesOfSendingHoldInABatchAndForASubaccount(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	shop := idOf(t, w.Do(alice, "POST", base+"/accounts", `{"name":"shop","wallet":"parent"}`))
	rules := `{"countries":["KE"],"repeat_window":"1h","max_parts":1}`
	expect(t, w.Do(alice, "PATCH", base+"/account/policy", rules, "Tidings-Account", shop), 200, "", "")
	items := strings.Join([]string{
		body("0701234567", "x"), body("+4915112345678", "x"), body("0701234567", "x"), body("0701234567", strings.Repeat("x", 161)), body("0701234568", "x"),
	}, ",")
	codes := func(path string, headers ...string) (codes []string) {
		t.Helper()
		var reply struct {
			Results []struct {
				Error   *problem `json:"error"`
				Blocked *problem `json:"blocked"`
			} `json:"results"`
		}
		w.Do(alice, "POST", base+path, `{"messages":[`+items+`]}`, headers...).JSON(t, &reply)
		for _, r := range reply.Results {
			p := cmp.Or(r.Error, r.Blocked, &problem{})
			codes = append(codes, strings.TrimSpace(p.Code+" "+p.Field))
		}
		return codes
	}
	want := `["" "country_not_allowed to" "repeated_message text" "text_too_long text" ""]`
	for _, path := range []string{"/messages/preview/batch", "/messages/batch"} {
		if got := fmt.Sprintf("%q", codes(path, "Tidings-Account", shop)); got != want {
			t.Errorf("%s answers %s, want %s", path, got, want)
		}
	}
	if got := fmt.Sprintf("%q", codes("/messages/batch")); strings.Contains(got, "repeated") {
		t.Errorf("the parent's batch is %s", got)
	}
	var list page[DeedReply]
	w.Do(alice, "GET", base+"/audit?action=policy.", "", "Tidings-Account", shop).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Became != `{"countries":["KE"],"repeat_window":"1h0m0s","max_parts":1}` {
		t.Errorf("the audit log has %+v", list.Items)
	}
}

func TestAPreviewTellsAndChangesNothing(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	w.Do(alice, "POST", base+"/opt-outs", `{"addresses":["+254701000001"]}`)
	preview := func(body string) (p previewReply) {
		t.Helper()
		r := w.Do(alice, "POST", base+"/messages/preview", body)
		expect(t, r, 200, "", "")
		r.JSON(t, &p)
		return p
	}
	p := preview(body("0701234567", strings.Repeat("a", 170)))
	if p.To != "+254701234567" || p.Country != "KE" || p.Channel != w.Channel.String() || p.From != "TIDINGS" || p.Encoding != "gsm7" || p.Units != 170 ||
		p.ChargedParts != 2 || p.PartPrice != 800_000 || p.Price != 1_600_000 || p.Currency != "KES" || p.Blocked != nil {
		t.Errorf("%+v", p)
	}
	for body, code := range map[string]string{
		body("+254701000001", "x"):                       "recipient_opted_out",
		body("call me", "x"):                             "invalid_recipient",
		body("+15550000123", "x"):                        "no_price",
		body("0701234567", strings.Repeat("a", 160*126)): "insufficient_balance",
		body("0701234567", "x", `"from":"two words"`):    "invalid_sender",
	} {
		if p := preview(body); p.Blocked == nil || p.Blocked.Code != code {
			t.Errorf("%.60s: %+v, want %s", body, p.Blocked, code)
		}
	}
	expect(t, w.Do(alice, "POST", base+"/messages/preview", `{"text":"x"}`), 422, "missing_field", "to")
	var all previewsReply
	long := body("0701234567", strings.Repeat("a", 160*62)) // two of them fit into the balance
	r := w.Do(alice, "POST", base+"/messages/preview/batch", `{"messages":[`+strings.Join([]string{long, body("1", "x"), long, long, `{"text":"x"}`}, ",")+`]}`)
	expect(t, r, 200, "", "")
	r.JSON(t, &all)
	if all.Accepted != 2 || all.Blocked != 3 || all.ChargedParts != 124 || all.Price != 99_200_000 || all.Results[3].Blocked.Code != "insufficient_balance" || all.Results[4].Blocked.Code != "missing_field" {
		t.Errorf("%+v", all)
	}
	var list page[MessageReply]
	w.Do(alice, "GET", base+"/messages", "").JSON(t, &list)
	b, err := w.Core.Wallet.Balance(t.Context(), w.Alice.ID)
	if len(list.Items) != 0 || b.Available != 100_000_000 || err != nil {
		t.Errorf("a preview left %d messages and %+v (%v)", len(list.Items), b, err)
	}
}
