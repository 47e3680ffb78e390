package native

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// talk notes that somebody wrote to the account, and returns the conversation.
func talk(t *testing.T, w *apitest.World, a account.ID, phone string) string {
	t.Helper()
	var who message.ContactID
	w.Write(func(tx *store.Tx) error {
		known, err := w.Core.Contacts.Meet(tx, []contact.Fact{{Account: a, Person: message.Person{Phone: message.ParseAddress(phone)}, Source: contact.FromInbound}})
		if err != nil {
			return err
		}
		who = known[0]
		return w.Core.Conversations.Record(tx, []conversation.News{{Account: a, Channel: w.Channel, Contact: who, In: true, Unread: true, At: tx.Now()}})
	})
	list, err := w.Core.Conversations.With(t.Context(), who)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	return list[0].ID.String()
}

// names are what the contacts of a page are called.
func names(t *testing.T, r apitest.Reply) (all []string, cursor string) {
	t.Helper()
	if r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	var p page[ContactReply]
	r.JSON(t, &p)
	for _, c := range p.Items {
		all = append(all, c.Name)
	}
	return all, p.NextCursor
}

func TestContactsAreWrittenAndFound(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	made := w.Do(alice, "POST", base+"/contacts", `{"phone":"0701 234 567","name":"Ann Wanjiru","email":"Ann@Example.com","tags":["vip","nairobi"],"attributes":{"city":"Nairobi"}}`, "Idempotency-Key", "k")
	expect(t, made, 201, "", "")
	ann := idOf(t, made)
	if again := w.Do(alice, "POST", base+"/contacts", `{"phone":"0701 234 567","name":"Ann Wanjiru","email":"Ann@Example.com","tags":["vip","nairobi"],"attributes":{"city":"Nairobi"}}`, "Idempotency-Key", "k"); again.Body.String() != made.Body.String() {
		t.Errorf("a repeat answers %s", again.Body)
	}
	var c wholeContact
	w.Do(alice, "PATCH", base+"/contacts/"+ann, `{"lid":"8801","tags":["vip"],"attributes":{"city":null,"shoe":43}}`).JSON(t, &c)
	w.Do(alice, "GET", base+"/contacts/"+ann, "").JSON(t, &c)
	if c.Phone != "+254701234567" || c.LID != "8801" || c.Number != 1 || !slices.Equal(c.Tags, []string{"vip"}) || string(c.Attributes.RawMessage) != `{"shoe":43}` || c.OptedOut || c.Source != "api" {
		t.Errorf("%+v", c)
	}
	taken := w.Do(alice, "POST", base+"/contacts", `{"phone":"+254701234567"}`)
	expect(t, taken, 409, "already_exists", "phone")
	if !strings.Contains(taken.Body.String(), ann) {
		t.Errorf("it does not say who has it: %s", taken.Body)
	}
	for i, name := range []string{"Bea Ann", "Carl", "Ångström"} {
		expect(t, w.Do(alice, "POST", base+"/contacts", fmt.Sprintf(`{"phone":"+25470200000%d","name":%q,"tags":["vip"]}`, i, name)), 201, "", "")
	}
	for q, want := range map[string][]string{
		"":            {"Ångström", "Carl", "Bea Ann", "Ann Wanjiru"},
		"?q=ann":      {"Bea Ann", "Ann Wanjiru"}, // in the order of the terms: "ann", "ann wanjiru"
		"?q=WAN":      {"Ann Wanjiru"},
		"?q=ann+w":    {"Ann Wanjiru"},
		"?q=ann@":     {"Ann Wanjiru"},
		"?q=%2B25470": {"Ann Wanjiru", "Bea Ann", "Carl", "Ångström"},
		"?q=254701":   {"Ann Wanjiru"},
		"?q=ångs":     {"Ångström"},
		"?q=xyz":      nil,
		"?q=%25":      nil,
		"?q=_":        nil,
		"?tag=vip":    {"Ångström", "Carl", "Bea Ann", "Ann Wanjiru"},
		"?tag=VIP":    nil,
	} {
		if got, _ := names(t, w.Do(alice, "GET", base+"/contacts"+q, "")); !slices.Equal(got, want) {
			t.Errorf("%s finds %q, not %q", q, got, want)
		}
		sep := "?"
		if q != "" {
			sep = "&"
		}
		var walked []string
		for cursor := ""; ; {
			got, next := names(t, w.Do(alice, "GET", base+"/contacts"+q+sep+"limit=1&cursor="+cursor, ""))
			if walked = append(walked, got...); next == "" {
				break
			}
			cursor = next
		}
		if !slices.Equal(walked, want) {
			t.Errorf("%s page by page finds %q, not %q", q, walked, want)
		}
	}
	w.Do(alice, "POST", base+"/opt-outs", `{"addresses":["+254701234567"]}`)
	w.Do(alice, "GET", base+"/contacts/"+ann, "").JSON(t, &c)
	if !c.OptedOut {
		t.Error("the opt-out does not show")
	}
	expect(t, w.Do(alice, "DELETE", base+"/contacts/"+ann, ""), 204, "", "")
	expect(t, w.Do(alice, "GET", base+"/contacts/"+ann, ""), 404, "not_found", "")
	if got, _ := names(t, w.Do(alice, "GET", base+"/contacts?q=wanjiru", "")); len(got) > 0 {
		t.Errorf("it is still found: %q", got)
	}
}

func TestContactsAreMergedByHand(t *testing.T) {
	w := begin(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	one := idOf(t, w.Do(alice, "POST", base+"/contacts", `{"phone":"+254701234567","name":"Ann","attributes":{"a":1,"b":1}}`))
	two := idOf(t, w.Do(alice, "POST", base+"/contacts", `{"lid":"8801","name":"Anna","email":"a@example.com","attributes":{"b":2,"c":2}}`))
	three := idOf(t, w.Do(alice, "POST", base+"/contacts", `{"phone":"+254701234568"}`))
	foreign := idOf(t, w.Do(bob, "POST", base+"/contacts", `{"phone":"+254701234567"}`))
	list := idOf(t, w.Do(alice, "POST", base+"/lists", `{"name":"all"}`))
	w.Do(alice, "POST", base+"/lists/"+list+"/contacts", `{"contacts":["`+one+`","`+two+`","`+foreign+`"]}`)
	talk(t, w, w.Alice.ID, "+254701234567")
	expect(t, w.Do(alice, "POST", base+"/contacts/"+one+"/merge", `{"contact":"`+three+`"}`), 422, "invalid_field", "contact")
	expect(t, w.Do(alice, "POST", base+"/contacts/"+one+"/merge", `{"contact":"`+foreign+`"}`), 404, "not_found", "contact")
	expect(t, w.Do(alice, "POST", base+"/contacts/"+one+"/merge", `{}`), 422, "missing_field", "contact")
	expect(t, w.Do(alice, "POST", base+"/contacts/"+two+"/merge", `{"contact":"`+one+`"}`), 200, "", "")
	for _, at := range []string{one, two} { // both ids lead to it
		var c wholeContact
		w.Do(alice, "GET", base+"/contacts/"+at, "").JSON(t, &c)
		if c.ID != one || c.LID != "8801" || c.Name != "Ann" || c.Email != "a@example.com" || string(c.Attributes.RawMessage) != `{"a":1,"b":1,"c":2}` ||
			len(c.Lists) != 1 || c.Lists[0].Contacts != 1 || len(c.Conversations) != 1 || len(c.Merged) != 1 || c.Merged[0].ID != two ||
			string(c.Merged[0].Remains.RawMessage) != `{"name":"Anna","attributes":{"b":2}}` {
			t.Errorf("%+v", c)
		}
	}
}

func TestFilesAreTakenInOnce(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	list := idOf(t, w.Do(alice, "POST", base+"/lists", `{"name":"Newsletter"}`))
	ask := `{"url":"https://example.com/people.csv?secret","fields":["phone","-","first_name"]}`
	made := w.Do(alice, "POST", base+"/lists/"+list+"/import", ask, "Idempotency-Key", "k")
	expect(t, made, 202, "", "")
	if again := w.Do(alice, "POST", base+"/lists/"+list+"/import", ask, "Idempotency-Key", "k"); again.Body.String() != made.Body.String() {
		t.Errorf("a repeat answers %s", again.Body)
	}
	var all page[FileImportReply]
	w.Do(alice, "GET", base+"/imports", "").JSON(t, &all)
	var one FileImportReply
	w.Do(alice, "GET", base+"/imports/"+idOf(t, made), "").JSON(t, &one)
	if len(all.Items) != 1 || all.Items[0] != one || one.List != list || one.Status != "running" || one.Rows != 0 || one.EndedAt != "" {
		t.Errorf("%+v\n%+v", all, one)
	}
	if r := w.Do(alice, "GET", base+"/imports/"+one.ID+"/refused", ""); r.Code != 200 || !strings.Contains(r.Body.String(), `"items":[]`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	for _, c := range []struct {
		body   string
		status int
		code   string
		field  string
	}{
		{`{}`, 422, "missing_field", "url"},
		{`{"url":"https://example.com/"}`, 422, "missing_field", "fields"},
		{`{"url":"https://example.com/","fields":["shoe"]}`, 422, "invalid_field", "fields[0]"},
		{`{"url":"https://example.com/","fields":["phone","phone"]}`, 422, "invalid_field", "fields[1]"},
		{`{"url":"https://127.0.0.1/","fields":["phone"]}`, 422, "url_not_allowed", "url"},
		{`{"url":"file:///etc/passwd","fields":["phone"]}`, 422, "url_not_allowed", "url"},
	} {
		expect(t, w.Do(alice, "POST", base+"/lists/"+list+"/import", c.body), c.status, c.code, c.field)
	}
	for range 2 {
		expect(t, w.Do(alice, "POST", base+"/lists/"+list+"/import", ask), 202, "", "")
	}
	expect(t, w.Do(alice, "POST", base+"/lists/"+list+"/import", ask), 409, "already_exists", "")
}

func TestContactsAreImported(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	list := idOf(t, w.Do(alice, "POST", base+"/lists", `{"name":"Newsletter"}`))
	known := idOf(t, w.Do(alice, "POST", base+"/contacts", `{"phone":"+254701234567","name":"Ann","tags":["old"]}`))
	rows := `{"list":"` + list + `","contacts":[
		{"phone":"0701234567","name":"Ann W.","tags":["new"]},{"phone":"call me"},{"phone":"+254702000001","name":"Bea"},{"phone":"+254702000001","email":"bea@example.com"},
		{"name":"nobody"},{"email":"carl@example.com","name":"Carl"},{"email":"carl@example.com","tags":["c"]},{"phone":"+254702000002","email":"no email"}]}`
	var r importReply
	made := w.Do(alice, "POST", base+"/contacts/import", rows, "Idempotency-Key", "k")
	expect(t, made, 201, "", "")
	made.JSON(t, &r)
	var errors []string
	for i, one := range r.Results {
		if one.Error != nil {
			errors = append(errors, fmt.Sprint(i, " ", one.Error.Code, " ", one.Error.Field))
		}
	}
	if want := []string{"1 invalid_recipient contacts[1].phone", "4 missing_field contacts[4].phone", "7 invalid_field contacts[7].email"}; !slices.Equal(errors, want) {
		t.Errorf("wrong are %q, not %q", errors, want)
	}
	if r.Created != 2 || r.Changed != 3 || r.Listed != 3 || r.Results[0].Contact != known || r.Results[2].Contact != r.Results[3].Contact || r.Results[5].Contact != r.Results[6].Contact {
		t.Errorf("%+v", r)
	}
	if got, _ := names(t, w.Do(alice, "GET", base+"/contacts?list="+list, "")); !slices.Equal(got, []string{"Carl", "Bea", "Ann W."}) {
		t.Errorf("the list has %q", got)
	}
	if got, _ := names(t, w.Do(alice, "GET", base+"/contacts?tag=old", "")); !slices.Equal(got, []string{"Ann W."}) {
		t.Errorf("tags were taken away: %q", got)
	}
	w.Do(alice, "POST", base+"/contacts/import", rows).JSON(t, &r)
	if r.Created != 0 || r.Listed != 0 {
		t.Errorf("the same again makes %+v", r)
	}
	expect(t, w.Do(alice, "POST", base+"/contacts/import", `{"contacts":[]}`), 422, "missing_field", "contacts")
	expect(t, w.Do(alice, "POST", base+"/contacts/import", `{"contacts":[`+strings.Repeat(`{},`, 1000)+`{}]}`), 413, "too_many_items", "contacts")
	expect(t, w.Do(alice, "POST", base+"/contacts/import", `{"list":"`+known+`","contacts":[{"phone":"+254702000009"}]}`), 404, "not_found", "")
	if got, _ := names(t, w.Do(alice, "GET", base+"/contacts?q=254702000009", "")); len(got) > 0 {
		t.Error("half of a refused import was done")
	}
}

func TestListsOfContacts(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	one, two := idOf(t, w.Do(alice, "POST", base+"/lists", `{"name":"One"}`)), idOf(t, w.Do(alice, "POST", base+"/lists", `{"name":"Two"}`))
	expect(t, w.Do(alice, "POST", base+"/lists", `{"name":"ONE"}`), 409, "already_exists", "name")
	expect(t, w.Do(alice, "PATCH", base+"/lists/"+two, `{"name":"one"}`), 409, "already_exists", "name")
	expect(t, w.Do(alice, "PATCH", base+"/lists/"+two, `{"name":"TWO"}`), 200, "", "")
	var ids []string
	for i, more := range []string{`"name":"Ann","email":"a@example.com"`, `"name":"ann","email":"b@example.com"`, `"name":"Ann","email":"A@example.com"`, `"name":""`, `"name":""`} {
		ids = append(ids, idOf(t, w.Do(alice, "POST", base+"/contacts", fmt.Sprintf(`{"phone":"+25470200000%d",%s}`, i, more))))
	}
	do := func(path, body, want string) {
		t.Helper()
		if r := w.Do(alice, "POST", base+"/lists/"+path, body); strings.TrimSpace(r.Body.String()) != want {
			t.Errorf("POST %s: %d %s, want %s", path, r.Code, r.Body, want)
		}
	}
	count := func(list string, want int) {
		t.Helper()
		var l ListReply
		w.Do(alice, "GET", base+"/lists/"+list, "").JSON(t, &l)
		if got, _ := names(t, w.Do(alice, "GET", base+"/contacts?list="+list, "")); l.Contacts != want || len(got) != want {
			t.Errorf("the list counts %d and has %d, want %d", l.Contacts, len(got), want)
		}
	}
	all := `["` + strings.Join(ids, `","`) + `"]`
	do(one+"/contacts", `{"contacts":`+all+`}`, `{"added":5}`)
	do(one+"/contacts", `{"contacts":`+all+`}`, `{"added":0}`)
	do(two+"/contacts", `{"contacts":["`+ids[4]+`","`+ids[4]+`","`+one+`"]}`, `{"added":1}`)
	do(one+"/transfer", `{"to":"`+two+`","contacts":["`+ids[3]+`","`+ids[3]+`","`+ids[4]+`"]}`, `{"moved":2}`)
	count(one, 3)
	count(two, 2)
	do(one+"/deduplicate", `{"by":["name","email"]}`, `{"removed":1}`)
	do(one+"/deduplicate", `{"by":["name"]}`, `{"removed":1}`)
	do(two+"/deduplicate", `{"by":["name","email"]}`, `{"removed":0}`)
	do(two+"/deduplicate", `{"by":["phone","address_city"]}`, `{"removed":0}`)
	do(two+"/subtract", `{"list":"`+one+`"}`, `{"removed":0}`)
	do(two+"/subtract", `{"list":"`+two+`"}`, `{"removed":0}`)
	count(one, 1)
	w.Do(alice, "POST", base+"/opt-outs", `{"addresses":["+254702000003","+254702000000"]}`)
	do(two+"/remove-opted-out", ``, `{"removed":1}`)
	count(two, 1)
	expect(t, w.Do(alice, "DELETE", base+"/lists/"+two+"/contacts/"+ids[4], ""), 204, "", "")
	expect(t, w.Do(alice, "DELETE", base+"/lists/"+two+"/contacts/"+ids[4], ""), 404, "not_found", "")
	count(two, 0)
	expect(t, w.Do(alice, "DELETE", base+"/contacts/"+ids[0], ""), 204, "", "")
	count(one, 0)
	expect(t, w.Do(alice, "DELETE", base+"/lists/"+one, ""), 204, "", "")
	expect(t, w.Do(alice, "GET", base+"/lists/"+one, ""), 404, "not_found", "")
	var three ListReply
	w.Do(alice, "POST", base+"/lists", `{"name":"One"}`).JSON(t, &three)
	if three.Number != 3 {
		t.Errorf("number %d was given before", three.Number)
	}
	for _, c := range []struct{ path, body, code, field string }{
		{"/lists", `{"name":""}`, "invalid_field", "name"},
		{"/lists", `{"name":"a\nb"}`, "invalid_field", "name"},
		{"/lists/" + two + "/contacts", `{"contacts":["x"]}`, "invalid_field", "contacts[0]"},
		{"/lists/" + two + "/contacts", `{"contacts":[]}`, "missing_field", "contacts"},
		{"/lists/" + two + "/deduplicate", `{"by":["shoe"]}`, "invalid_field", "by"},
		{"/lists/" + two + "/deduplicate", `{}`, "missing_field", "by"},
		{"/lists/" + two + "/subtract", `{}`, "missing_field", "list"},
		{"/contacts", `{}`, "missing_field", "phone"},
		{"/contacts", `{"phone":"+254701234567","attributes":{"address_city":"a\nb"}}`, "invalid_field", "attributes.address_city"},
		{"/contacts", `{"phone":"12"}`, "invalid_recipient", "phone"},
		{"/contacts", `{"phone":"+254701234567","email":"a b@example.com"}`, "invalid_field", "email"},
		{"/contacts", `{"phone":"+254701234567","email":"Ann <ann@example.com>"}`, "invalid_field", "email"},
		{"/contacts", `{"phone":"+254701234567","tags":[""]}`, "invalid_field", "tags"},
		{"/contacts", `{"phone":"+254701234567","tags":["a\nb"]}`, "invalid_field", "tags"},
		{"/contacts", `{"phone":"+254701234567","name":"` + strings.Repeat("x", 201) + `"}`, "invalid_field", "name"},
		{"/contacts", `{"phone":"+254701234567","attributes":[1]}`, "invalid_field", "attributes"},
		{"/contacts", `{"phone":"+254701234567","attributes":{"a":"` + strings.Repeat("x", 16<<10) + `"}}`, "invalid_field", "attributes"},
		{"/contacts", `{"lid":"8 8"}`, "invalid_field", "lid"},
		{"/contacts", `{"username":"a b"}`, "invalid_field", "username"},
	} {
		expect(t, w.Do(alice, "POST", base+c.path, c.body), 422, c.code, c.field)
	}
	expect(t, w.Do(alice, "GET", base+"/contacts?q=a&tag=b", ""), 422, "invalid_field", "tag")
	expect(t, w.Do(alice, "GET", base+"/contacts?list=x", ""), 422, "invalid_field", "list")
}

func TestConversationsAreListedAndRead(t *testing.T) {
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	first := talk(t, w, w.Alice.ID, "+254702000001")
	w.Shift(time.Minute)
	second := talk(t, w, w.Alice.ID, "+254702000002")
	w.Shift(time.Minute)
	talk(t, w, w.Alice.ID, "+254702000001")
	var got []string
	for cursor := ""; ; {
		var p page[ConversationReply]
		w.Do(alice, "GET", base+"/conversations?limit=1&cursor="+cursor, "").JSON(t, &p)
		for _, c := range p.Items {
			got = append(got, c.ID)
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, []string{first, second}) {
		t.Errorf("the conversations are %q", got)
	}
	var c ConversationReply
	w.Do(alice, "GET", base+"/conversations/"+first, "").JSON(t, &c)
	if c.Unread != 2 || c.LastOut != nil || c.LastIn == nil || c.LastAt != *c.LastIn || c.WindowEnds == nil {
		t.Errorf("%+v", c)
	}
	w.Do(alice, "POST", base+"/conversations/"+first+"/read", "").JSON(t, &c)
	if w.Do(alice, "GET", base+"/conversations/"+first, "").JSON(t, &c); c.Unread != 0 {
		t.Errorf("%d are unread", c.Unread)
	}
	expect(t, w.Do(alice, "GET", base+"/conversations/"+first+"/messages", ""), 200, "", "")
}
