package clicksend_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/report"
	"tidings.dev/internal/store"
)

func init() {
	filled["usage"] = fillUsage
	filled["numbers"] = fillNumbers
	filled["account"] = func(t *testing.T, w world) {
		t.Helper()
		email, phone := "alice@example.com", "0701234567"
		w.Write(func(tx *store.Tx) error {
			_, err := w.Core.Members.Change(tx, audit.System, w.Alice.ID, member.Change{Profile: member.ProfileChange{Email: &email, Phone: &phone}})
			return err
		})
	}
}

// fillUsage has Alice and a subaccount of hers send today, and at the end of February 2020.
func fillUsage(t *testing.T, w world) {
	t.Helper()
	w.Write(func(tx *store.Tx) error {
		shop, err := w.Core.Members.Create(tx, audit.System, account.Account{Name: "Shop", Region: "KE", Currency: "KES", Parent: w.Alice.ID, ParentPays: true}, "shop", "")
		if err != nil {
			return err
		}
		type row struct {
			Account account.ID
			Day     int64
		}
		february := int64(report.DayOf(time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC)))
		err = store.Run(tx, `INSERT INTO usage (account_id, day, channel_id, kind, accepted, parts, sent, delivered, failed, unknown, inbound, charged)
			VALUES ($1, $2, 1, 'sms', 29, 30, 0, 0, 0, 0, 0, 2133700)`, []row{{w.Alice.ID, february}, {shop.ID, february}, {shop.ID, february + 1}})
		if err != nil {
			return err
		}
		return report.Add(tx, []report.Usage{
			{Account: w.Alice.ID, Channel: w.Channel, Kind: message.SMS, Counts: report.Counts{Accepted: 3, Failed: 1, Inbound: 2, Charged: 1_600_000}},
			{Account: w.Alice.ID, Channel: w.Channel + 1, Kind: message.WhatsApp, Counts: report.Counts{Accepted: 7, Charged: 500_000}},
			{Account: shop.ID, Channel: w.Channel, Kind: message.SMS, Counts: report.Counts{Accepted: 1, Charged: 800_000}},
		})
	})
}

// fillNumbers gives Alice two numbers and some senders, one of which waits to be approved.
func fillNumbers(t *testing.T, w world) {
	t.Helper()
	w.Write(func(tx *store.Tx) error {
		for _, n := range []string{"+254711000001", "+254711000002", "20880"} {
			_, err := w.Core.Numbers.Assign(tx, audit.System, number.Number{Account: w.Alice.ID, Channel: w.Channel, Address: message.ParseAddress(n)})
			if err != nil {
				return err
			}
		}
		for _, from := range []message.Address{{Kind: message.Phone, Value: "+254711000003"}, {Kind: message.Name, Value: "ACME"}} {
			if _, err := w.Core.Numbers.Register(tx, audit.System, number.Sender{Account: w.Alice.ID, Channel: w.Channel, Address: from}); err != nil {
				return err
			}
		}
		for i, country := range []string{"KE", "GH"} {
			g, err := w.Core.Policies.Request(tx, audit.System, w.Alice.ID, country, message.Address{Kind: message.Name, Value: "ACME"})
			if err == nil && i == 1 {
				_, err = w.Core.Policies.Decide(tx, audit.System, g.ID, policy.Refused, "not a company")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// TestNobodyReachesWhatIsAnothers has Bob ask for everything of Alice's by its numbers, by every operation that takes one: it is not
// found, and nothing of hers changes.
func TestNobodyReachesWhatIsAnothers(t *testing.T) {
	t.Parallel()
	w := begin(t)
	w.list("friends", "+254701234567", "+254701234568")
	w.list("family", "+254701234567")
	fillUsage(t, w)
	alice, bob := w.alice(), w.bob()
	seen := func() string {
		var b strings.Builder
		for _, at := range []string{"/v3/lists", "/v3/lists/1/contacts", "/v3/lists/2/contacts", "/v3/subaccounts", "/v3/search/contacts-lists"} {
			b.WriteString(w.do(alice, "GET", at, "").Body.String())
		}
		return b.String()
	}
	before, tried := seen(), 0
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	w.Do("", "GET", "/docs/clicksend/openapi.json", "").JSON(t, &document)
	for path, methods := range document.Paths {
		if !strings.HasPrefix(path, "/v3/lists/") && !strings.HasPrefix(path, "/v3/subaccounts/") {
			continue
		}
		for method := range methods {
			for _, number := range []string{"1", "2", "3", "4", "5", "6", "0", "-1", "99999999999", "x", "%00"} {
				at := path
				for at != strings.NewReplacer("{", "", "}", "").Replace(at) {
					from, to := strings.Index(at, "{"), strings.Index(at, "}")
					at = at[:from] + number + at[to+1:]
				}
				tried++
				body := `{"list_name":"x","fields":["email"],"phone_number":"+254701234567","file_url":"https://example.com/","field_order":["phone"],"first_name":"Bob"}`
				if method == "get" {
					body = ""
				}
				r := w.do(bob, strings.ToUpper(method), at, body)
				if r.Code != http.StatusNotFound || strings.Contains(r.Body.String(), "friends") {
					t.Errorf("%s %s: %d %s", method, at, r.Code, r.Body)
				}
			}
		}
	}
	if after := seen(); after != before {
		t.Errorf("Alice had\n%s\nand has\n%s", before, after)
	}
	if tried < 150 {
		t.Errorf("only %d were tried", tried)
	}
}

// TestASubaccountIsKeptFromWhatItLacks: what a parent denies is refused on every path that is about it.
func TestASubaccountIsKeptFromWhatItLacks(t *testing.T) {
	t.Parallel()
	w := begin(t)
	made := w.do(w.alice(), "POST", "/v3/subaccounts", `{"api_username":"till","password":"a good password","email":"t@example.com","phone_number":"0701234567",
		"first_name":"T","last_name":"L","access_users":0,"access_contacts":0,"access_reporting":0,"access_billing":0}`)
	var reply struct {
		Data struct {
			Key string `json:"api_key"`
		} `json:"data"`
	}
	made.JSON(t, &reply)
	for _, secret := range []string{reply.Data.Key, "a good password"} {
		till := basic("till", secret)
		for _, at := range []string{"/v3/subaccounts", "/v3/lists", "/v3/lists/1/contacts", "/v3/search/contacts-lists", "/v3/statistics/sms", "/v3/account/usage/2027/1/subaccount"} {
			if r := w.do(till, "GET", at, ""); r.Code != http.StatusForbidden {
				t.Errorf("%s: %d %s", at, r.Code, r.Body)
			}
		}
		r := w.do(till, "GET", "/v3/account", "")
		if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), `"balance":null`) || !strings.Contains(r.Body.String(), `"access_users":0`) || strings.Contains(r.Body.String(), secret) {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
}

// TestAKeyIsShownOnce: the key of a subaccount works, dies when it is made anew or the subaccount is closed, and is in no other reply.
func TestAKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.alice()
	keyOf := func(r apitest.Reply) string {
		t.Helper()
		var reply struct {
			Data struct {
				Key string `json:"api_key"`
			} `json:"data"`
		}
		r.JSON(t, &reply)
		return reply.Data.Key
	}
	const body = `{"api_username":"shop","password":"a good password","email":"s@example.com","phone_number":"0701234567","first_name":"S","last_name":"H"}`
	one := keyOf(w.do(alice, "POST", "/v3/subaccounts", body, "Idempotency-Key", "k"))
	if r := w.do(alice, "POST", "/v3/subaccounts", body, "Idempotency-Key", "k"); r.Code != http.StatusBadRequest || strings.Contains(r.Body.String(), one) {
		t.Errorf("a repeat: %d %s", r.Code, r.Body)
	}
	works := func(secret string) int { return w.do(basic("shop", secret), "GET", "/v3/lists", "").Code }
	two := keyOf(w.do(alice, "PUT", "/v3/subaccounts/4/regen-api-key", ""))
	if works(one) != http.StatusUnauthorized || works(two) != http.StatusOK || one == two {
		t.Errorf("the first key answers %d, the second %d", works(one), works(two))
	}
	for _, at := range []string{"/v3/subaccounts", "/v3/subaccounts/4", "/v3/account"} {
		if r := w.do(alice, "GET", at, ""); r.Code != http.StatusOK || strings.Contains(r.Body.String(), "td_live_") {
			t.Errorf("%s: %d %s", at, r.Code, r.Body)
		}
	}
	w.do(alice, "DELETE", "/v3/subaccounts/4", "")
	if got := works(two); got == http.StatusOK {
		t.Errorf("the key of a closed subaccount answers %d", got)
	}
}

// TestALesserKeyMakesNoFullSubaccount: a key that is bound to a sender gives nobody a password, which is bound to nothing.
func TestALesserKeyMakesNoFullSubaccount(t *testing.T) {
	t.Parallel()
	w := begin(t)
	bound := basic("alice", w.KeyLike(keyBoundToSender(w)).Secret)
	const body = `{"api_username":"shop","password":"a good password","email":"s@example.com","phone_number":"0701234567","first_name":"S","last_name":"H"}`
	if r := w.do(bound, "POST", "/v3/subaccounts", body); r.Code != http.StatusForbidden {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	w.do(w.alice(), "POST", "/v3/subaccounts", body)
	for _, c := range [][2]string{{"/v3/subaccounts/4", `{"password":"quite another one"}`}, {"/v3/subaccounts/4/regen-api-key", ""}} {
		if r := w.do(bound, "PUT", c[0], c[1]); r.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", c[0], r.Code, r.Body)
		}
	}
}

// TestPagesOfContactsFit walks a list of 40 by pages of 15 in both directions.
func TestPagesOfContactsFit(t *testing.T) {
	t.Parallel()
	w := begin(t)
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("+2547012345%02d", i))
	}
	w.list("friends", all...)
	for _, way := range []string{"asc", "desc"} {
		for _, by := range []string{"contact_id", "phone_number", "date_added"} {
			var got []string
			for page := 1; page <= 4; page++ {
				var reply struct {
					Data struct {
						Total int `json:"total"`
						Last  int `json:"last_page"`
						Data  []struct {
							Phone string `json:"phone_number"`
						} `json:"data"`
					} `json:"data"`
				}
				w.do(w.alice(), "GET", fmt.Sprintf("/v3/lists/1/contacts?page=%d&order_by=%s:%s", page, by, way), "").JSON(t, &reply)
				if reply.Data.Total != 40 || reply.Data.Last != 3 {
					t.Fatalf("%+v", reply)
				}
				for _, c := range reply.Data.Data {
					got = append(got, c.Phone)
				}
			}
			want := slices.Clone(all)
			if way == "desc" {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: %v", by, way, got)
			}
		}
	}
}

// TestTimeZonesAreThoseOfGo: each loads, and none that this Go release has is left out.
func TestTimeZonesAreThoseOfGo(t *testing.T) {
	t.Parallel()
	w := begin(t)
	var reply struct {
		Data []string `json:"data"`
	}
	w.Do("", "GET", "/v3/timezones", "").JSON(t, &reply)
	for _, name := range reply.Data {
		if _, err := time.LoadLocation(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	archive, err := zip.OpenReader(filepath.Join(goRoot(t), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Skip("this Go installation has no file of zones:", err)
	}
	defer archive.Close()
	var has []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			has = append(has, f.Name)
		}
	}
	slices.Sort(has)
	apitest.File(t, "zones.txt", []byte(strings.Join(has, "\n")+"\n"))
}

// TestCountriesAreThoseOfISO counts them, and looks at some.
func TestCountriesAreThoseOfISO(t *testing.T) {
	t.Parallel()
	var reply struct {
		Data []struct {
			ID                 int
			Name, Code, Region string
		} `json:"data"`
	}
	begin(t).Do("", "GET", "/v3/country-list", "").JSON(t, &reply)
	if len(reply.Data) != 249 {
		t.Errorf("%d countries", len(reply.Data))
	}
	text, _ := json.Marshal(reply.Data)
	for _, want := range []string{
		`{"ID":404,"Name":"Kenya","Code":"KE","Region":"Africa"}`, `{"ID":36,"Name":"Australia","Code":"AU","Region":"Oceania"}`,
		`{"ID":748,"Name":"Eswatini","Code":"SZ","Region":"Africa"}`, `{"ID":826,"Name":"United Kingdom","Code":"GB","Region":"Europe"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// keyBoundToSender is a key of Alice's that may do all, as one sender.
func keyBoundToSender(w world) key.Key {
	return key.Key{Account: w.Alice.ID, Scopes: account.Scopes{account.Admin}, Senders: []message.Address{{Kind: message.Name, Value: "TIDINGS"}}}
}

// goRoot is where Go is installed.
func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("there is no Go here:", err)
	}
	return strings.TrimSpace(string(out))
}

// TestASearchLooksAtSoManyOnly: it costs the same in the largest of address books.
func TestASearchLooksAtSoManyOnly(t *testing.T) {
	t.Parallel()
	w := begin(t)
	numbers := make([]string, 10_100)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("+25470%07d", i)
	}
	w.list("all", numbers...)
	r := w.do(w.alice(), "GET", "/v3/search/contacts-lists?q=2547&page=100&limit=100", "")
	if !strings.Contains(r.Body.String(), `"total":10000,`) || strings.Count(r.Body.String(), `"contact_id"`) != 100 {
		t.Errorf("%d %.200s", r.Code, r.Body)
	}
}
