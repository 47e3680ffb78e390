package clicksend_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

// row is what the tests look at of a row of the history.
type row struct {
	Direction, Status, To, From, Body, Message_id, Custom_string, Status_code string  //nolint:revive // as it is on the wire
	Error_code                                                                *string //nolint:revive // as it is on the wire
	Subaccount_id, User_id                                                    int     //nolint:revive // as it is on the wire
	First_name                                                                *string //nolint:revive // as it is on the wire
}

func (w world) history(t *testing.T, who, query string) (rows []row, total int) {
	t.Helper()
	var reply struct {
		Data struct {
			Total int
			Data  []row
		}
	}
	r := w.do(who, "GET", "/v3/sms/history?"+query, "")
	if r.JSON(t, &reply); r.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", query, r.Code, r.Body)
	}
	return reply.Data.Data, reply.Data.Total
}

func bodies(rows []row) string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r.Body
	}
	return strings.Join(list, " ")
}

// subaccount makes an account of Alice's.
func (w world) subaccount(name string) (a account.Account) {
	w.Write(func(tx *store.Tx) (err error) {
		a, err = w.Core.Members.Create(tx, audit.System, account.Account{Name: name, Parent: w.Alice.ID, Region: "KE", Currency: "KES", ParentPays: true}, name, "")
		return err
	})
	return a
}

// told fills a world: Alice has sent one, two (cancelled) and three (later), her shop four; five came in for her.
func told(t *testing.T, w world) {
	t.Helper()
	alice := w.alice()
	shop := w.subaccount("shop")
	send := func(who, body string) {
		t.Helper()
		if r := w.do(who, "POST", "/v3/sms/send", body); r.Code != http.StatusOK || strings.Count(r.Body.String(), "SUCCESS") < 2 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		w.Shift(time.Minute)
	}
	w.list("friends", "+254701234567")
	soon := w.Core.Store.Now().Add(time.Hour).Unix()
	send(alice, `{"messages":[{"body":"one","list_id":1,"custom_string":"a, b:c"}]}`)
	send(alice, fmt.Sprintf(`{"messages":[{"body":"two","to":"+254701234568","schedule":%d}]}`, soon))
	if r := w.do(alice, "PUT", "/v3/sms/cancel-all", ""); !strings.Contains(r.Body.String(), `"count":1`) {
		t.Fatal(r.Body)
	}
	send(alice, fmt.Sprintf(`{"messages":[{"body":"three","to":"+254701234569","schedule":%d}]}`, soon+3600))
	send(basic("shop", w.Key(shop, account.Admin)), `{"messages":[{"body":"four","to":"+254701234567"}]}`)
	w.Write(func(tx *store.Tx) error {
		_, err := w.Core.Numbers.Assign(tx, audit.System, number.Number{Address: message.Address{Kind: message.Phone, Value: "+254711111111"}, Channel: w.Channel, Account: w.Alice.ID})
		return err
	})
	if err := w.Gateway.Inbound(context.Background(), message.Inbound{
		Channel: w.Channel, From: message.Address{Kind: message.Phone, Value: "+254701234567"}, To: message.Address{Kind: message.Phone, Value: "+254711111111"},
		Content: message.Text(`=HYPERLINK("https://evil.example")`),
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTheHistoryIsSearchedAndSorted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	start := w.Core.Store.Now()
	told(t, w)
	const five = `=HYPERLINK("https://evil.example")`
	alice := w.alice()
	all, total := w.history(t, alice, "")
	if bodies(all) != "one two three four "+five || total != 5 {
		t.Fatalf("%d: %+v", total, all)
	}
	if all[0].User_id != w.Alice.Number || all[0].Subaccount_id != w.Alice.Number || all[3].User_id != w.Alice.Number || all[3].Subaccount_id == w.Alice.Number ||
		all[4].Direction != "in" || all[1].Error_code == nil || *all[1].Error_code != "5" || all[0].Custom_string != "a, b:c" || all[0].Status_code != "200" {
		t.Errorf("%+v", all)
	}
	shop := fmt.Sprint(all[3].Subaccount_id)
	for query, want := range map[string]string{
		"q=to:%2B254701234567":                            "one four",
		"q=to:+254701234567":                              "one four",
		"q=to:254701234567":                               "one four",
		"q=to:0701234567":                                 "one four",
		"q=to:0701234567,status:queued":                   "one four",
		"q=to:0701234567,subaccount_id:" + shop:           "four",
		"q=from:+254701234567":                            five,
		"q=from:tidings":                                  "one two three four",
		"q=status:CANCELLED":                              "two",
		"q=status:scheduled":                              "three",
		"q=status:received":                               five,
		"q=status:cancelled,status:scheduled&operator=OR": "two three",
		"q=status:cancelled,status:scheduled":             "",
		"q=to:0701234567,status:scheduled&operator=or":    "one three four",
		"q=message_id:" + all[2].Message_id:               "three",
		"q=subaccount_id:" + shop:                         "four",
		"q=subaccount_id:99":                              "",
		"q=field_name&order_by=date:asc":                  "one two three four " + five,
		"q=status:":                                       "one two three four " + five,
		"q=status:x%27%20OR%201=1--":                      "",
		"order_by=date:desc":                              five + " four three two one",
		"order_by=body:asc":                               five + " four one three two",
		"order_by=username:desc":                          "four one two three " + five,
		"order_by=1%3Bdrop":                               "one two three four " + five,
		"order_by=status:asc":                             "two one four " + five + " three",
		fmt.Sprintf("date_to=%d", start.Unix()+30):        "one",
		fmt.Sprintf("date_from=%d&date_to=%d", start.Unix()+30, start.Unix()+150): "two three",
		"page=2": "", "page=1000000000": "",
	} {
		rows, _ := w.history(t, alice, query)
		if got := bodies(rows); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"q=body:x", "q=1%3Bdrop:x", "date_from=yesterday", "date_to=-1"} {
		if r := w.do(alice, "GET", "/v3/sms/history?"+query, ""); r.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, r.Code, r.Body)
		}
	}
	if rows, total := w.history(t, w.bob(), ""); len(rows) != 0 || total != 0 {
		t.Errorf("Bob sees %+v", rows)
	}
	if rows, _ := w.history(t, basic("shop", w.Key(account.Account{ID: w.accountOf(t, "shop")}, account.Admin)), ""); bodies(rows) != "four" {
		t.Errorf("the subaccount sees %+v", rows)
	}
}

func (w world) accountOf(t *testing.T, username string) account.ID {
	t.Helper()
	a, ok, err := w.Core.Members.ByUsername(t.Context(), username)
	if err != nil || !ok {
		t.Fatalf("there is no %s (%v)", username, err)
	}
	return a.ID
}

// TestTheHistoryIsExported: whoever has the link may read the file for an hour, and what others wrote is no formula in it.
func TestTheHistoryIsExported(t *testing.T) {
	t.Parallel()
	w := begin(t)
	told(t, w)
	var reply struct{ Data struct{ URL string } }
	export := func(query string) string {
		t.Helper()
		r := w.do(w.alice(), "GET", "/v3/sms/history/export?"+query, "")
		if r.JSON(t, &reply); r.Code != http.StatusOK {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		u, err := url.Parse(reply.Data.URL)
		if err != nil {
			t.Fatal(err)
		}
		return u.Path
	}
	read := func(path string) (lines [][]string, disposition string) {
		t.Helper()
		r := w.Do("", "GET", path, "")
		lines, err := csv.NewReader(r.Body).ReadAll()
		if err != nil || r.Code != http.StatusOK || r.Header().Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Fatalf("%d %v %v", r.Code, r.Header(), err)
		}
		return lines, r.Header().Get("Content-Disposition")
	}
	at := export(`filename=` + url.QueryEscape("../my\r\nfile\""))
	lines, disposition := read(at)
	if len(lines) != 6 || disposition != `attachment; filename="my_file.csv"` {
		t.Fatalf("%d lines, %s", len(lines), disposition)
	}
	body, to := slices.Index(lines[0], "body"), slices.Index(lines[0], "to")
	if got := lines[4][body]; got != `'=HYPERLINK("https://evil.example")` || lines[1][to] != "+254701234567" {
		t.Errorf("%v", lines)
	}
	if lines, disposition := read(export("q=status:cancelled")); len(lines) != 2 || lines[1][body] != "two" || disposition != `attachment; filename="history.csv"` {
		t.Errorf("%v %s", lines, disposition)
	}
	w.Shift(2 * time.Hour)
	for _, path := range []string{at, "/v3/sms/history/export/nonsense"} {
		if r := w.Do("", "GET", path, ""); r.Code != http.StatusNotFound {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
	if r := w.do(w.alice(), "GET", "/v3/sms/history/export?q=body:x", ""); r.Code != http.StatusBadRequest {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}

// TestTheEndOfDaysIsATime: whoever writes the largest time that fits for "whenever" gets everything.
func TestTheEndOfDaysIsATime(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.alice()
	w.do(alice, "POST", "/v3/sms/send", `{"messages":[{"to":"+254701234567","body":"x"}]}`)
	w.do(alice, "POST", "/v3/sms/receipts", `{"url":"poll"}`)
	w.do(alice, "POST", "/v3/sms/inbound", `{"url":"poll"}`)
	for _, c := range [][3]string{
		{"GET", "/v3/sms/history?date_from=1&date_to=4294967295", `"total":1`},
		{"GET", "/v3/sms/history?date_to=1099511627776", `"total":1`},
		{"GET", "/v3/sms/history?date_from=4294967295", `"total":0`},
		{"GET", "/v3/sms/history?date_from=4294967295&date_to=1", `"total":0`},
		{"GET", "/v3/sms/history?date_to=99999999999999999999", `"BAD_REQUEST"`},
		{"PUT", "/v3/sms/receipts-read", "SUCCESS"},
		{"GET", "/v3/sms/receipts", `"total":0`},
		{"PUT", "/v3/sms/inbound-read", "SUCCESS"},
		{"GET", "/v3/sms/inbound", `"total":0`},
	} {
		body := ""
		if c[0] == "PUT" {
			w.Shift(time.Second)
			body = `{"date_before":4294967295}`
		}
		if r := w.do(alice, c[0], c[1], body); !strings.Contains(r.Body.String(), c[2]) {
			t.Errorf("%s %s: %d %s, want %s", c[0], c[1], r.Code, r.Body, c[2])
		}
	}
}
