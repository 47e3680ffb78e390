package native

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

// deny takes rights from an account, and nothing else.
func deny(w *apitest.World, a account.ID, rights ...account.Right) {
	w.Write(func(tx *store.Tx) error {
		var denied account.Denied
		for _, r := range rights {
			denied = denied.With(r, true)
		}
		_, err := w.Core.Members.Change(tx, audit.System, a, member.Change{Denied: &denied})
		return err
	})
}

// TestWhatAParentDeniesIsRefusedToAll asks every operation with a key that may all, while the account lacks one right.
func TestWhatAParentDeniesIsRefusedToAll(t *testing.T) {
	w, ids := begun(t)
	bob, operator := w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	for _, lacking := range []account.Right{account.AccessContacts, account.AccessReporting, account.AccessBilling, account.AccessUsers, account.AccessSettings} {
		deny(w, w.Bob.ID, lacking)
		refused := 0
		for _, o := range (&server{}).operations() {
			if o.right() != lacking || o.scope == account.Operate || o.scope == open {
				continue
			}
			refused++
			r := w.Do(bob, o.method, at(o, ids["contact"]), bodyOf(o))
			if r.Code != http.StatusForbidden || !strings.Contains(r.Body.String(), "the account has no access to "+string(lacking)) {
				t.Errorf("without %s, %s %s: %d %s", lacking, o.method, o.path, r.Code, r.Body)
			}
			if acting := w.Do(operator, o.method, at(o, ids["contact"]), bodyOf(o), "Tidings-Account", w.Bob.ID.String()); acting.Code != http.StatusForbidden {
				t.Errorf("in its name, %s %s: %d %s", o.method, o.path, acting.Code, acting.Body)
			}
		}
		if refused == 0 {
			t.Errorf("nothing needs %s", lacking)
		}
		if r := w.Do(bob, "POST", base+"/messages", body("0701234567", "still sent")); r.Code != http.StatusAccepted {
			t.Errorf("without %s, a message: %d %s", lacking, r.Code, r.Body)
		}
		if r := w.Do(bob, "GET", base+"/account", ""); r.Code != http.StatusOK {
			t.Errorf("without %s, the account: %d %s", lacking, r.Code, r.Body)
		}
	}
}

func TestWhoMayNotSendSendsNothing(t *testing.T) {
	w := begin(t)
	bob := w.Key(w.Bob, account.Admin)
	picture := `{"to":"0701234567","content":{"type":"image","media":{"url":"https://example.com/a.png"}}}`
	deny(w, w.Bob.ID, account.AccessSMS)
	for path, body := range map[string]string{"/messages": body("0701234567", "x"), "/messages/batch": `{"messages":[` + body("0701234567", "x") + `]}`} {
		if r := w.Do(bob, "POST", base+path, body); r.Code != http.StatusForbidden || !strings.Contains(r.Body.String(), "access to sms") {
			t.Errorf("%s: %d %s", path, r.Code, r.Body)
		}
	}
	if r := w.Do(bob, "POST", base+"/messages", picture); r.Code == http.StatusForbidden {
		t.Errorf("a picture: %d %s", r.Code, r.Body)
	}
	deny(w, w.Bob.ID, account.AccessMMS)
	if r := w.Do(bob, "POST", base+"/messages", picture); r.Code != http.StatusForbidden || !strings.Contains(r.Body.String(), "access to mms") {
		t.Errorf("a picture: %d %s", r.Code, r.Body)
	}
	if r := w.Do(bob, "POST", base+"/messages", body("0701234567", "x")); r.Code != http.StatusAccepted {
		t.Errorf("a text: %d %s", r.Code, r.Body)
	}
}

// TestASubaccountHasAProfileAndAKey follows one from its parent's side.
func TestASubaccountHasAProfileAndAKey(t *testing.T) {
	w := tenants{begin(t), t}
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	made := w.do(201, alice, "POST", "/accounts", `{"name":"Shop","username":"Shop@Alice","password":"pass word 1","email":"jane@shop.example",
		"phone_number":"0701234567","first_name":"Jane","last_name":"Doe","notes":"pays late","access":["sms","contacts"]}`)
	if made.Username != "shop@alice" || made.Phone != "+254701234567" || made.Email != "jane@shop.example" || made.FirstName != "Jane" ||
		made.LastName != "Doe" || made.Notes != "pays late" || made.Number == 0 || !slices.Equal(made.Access, []string{"contacts", "sms"}) {
		t.Errorf("made %+v", made)
	}
	if read := w.do(200, alice, "GET", "/accounts/"+made.ID, ""); read.Notes != "pays late" || !slices.Equal(read.Access, made.Access) {
		t.Errorf("read %+v", read)
	}
	var list page[TenantReply]
	w.Do(alice, "GET", base+"/accounts", "").JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Email != "jane@shop.example" {
		t.Errorf("listed %+v", list)
	}
	w.do(409, bob, "POST", "/accounts", `{"name":"Shop","username":"shop@alice"}`)
	w.do(422, alice, "POST", "/accounts", `{"name":"Shop","password":"short"}`)
	w.do(422, alice, "POST", "/accounts", `{"name":"Shop","access":["flying"]}`)
	w.do(422, alice, "POST", "/accounts", `{"name":"Shop","email":"no mail"}`)
	now := w.do(200, alice, "PATCH", "/accounts/"+made.ID, `{"username":"shop","access":["sms"],"notes":"","last_name":"Roe"}`)
	if now.Username != "shop" || now.Notes != "" || now.LastName != "Roe" || now.FirstName != "Jane" || !slices.Equal(now.Access, []string{"sms"}) {
		t.Errorf("changed to %+v", now)
	}

	var first, second madeKeyReply
	r := w.Do(alice, "POST", base+"/accounts/"+made.ID+"/key", "", "Idempotency-Key", "once")
	r.JSON(t, &first)
	if r.Code != 201 || first.Name != key.Main || w.Do(first.Secret, "GET", base+"/account", "").Code != 200 {
		t.Fatalf("the first key: %d %s", r.Code, r.Body)
	}
	w.do(409, alice, "POST", "/accounts/"+made.ID+"/key", "", "Idempotency-Key", "once") // its secret is kept nowhere
	w.do(404, bob, "POST", "/accounts/"+made.ID+"/key", "")
	w.Do(alice, "POST", base+"/accounts/"+made.ID+"/key", "").JSON(t, &second)
	if w.Do(first.Secret, "GET", base+"/account", "").Code != 401 || w.Do(second.Secret, "GET", base+"/account", "").Code != 200 {
		t.Error("the old key lives, or the new one does not")
	}

	// Who may do less than all gives nobody a way around.
	test := w.KeyLike(key.Key{Account: w.Alice.ID, Test: true, Scopes: account.Scopes{account.Admin}}).Secret
	w.do(403, test, "POST", "/accounts/"+made.ID+"/key", "")
	w.do(403, test, "PATCH", "/accounts/"+made.ID, `{"password":"pass word 2"}`)
	w.do(403, test, "POST", "/accounts", `{"name":"Other","password":"pass word 2"}`)
	if w.Do(second.Secret, "GET", base+"/account", "").Code != 200 {
		t.Error("a key that was not to be replaced is dead")
	}
	w.do(200, alice, "POST", "/accounts/"+made.ID+"/close", "")
	if w.Do(second.Secret, "GET", base+"/account", "").Code != 403 {
		t.Error("the key of a closed account works")
	}
}
