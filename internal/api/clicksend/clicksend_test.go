package clicksend_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// world is a server whose accounts sign in with their names.
type world struct{ *apitest.World }

func begin(t *testing.T) world {
	t.Helper()
	return world{apitest.New(t, api.Options{PerSource: 20}, clicksend.Surface)}
}

// basic is a name and a secret as the Authorization header has them.
func basic(username, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(username + ":" + secret))
}

// do sends a request as somebody: basic says who.
func (w world) do(who, method, path, body string, headers ...string) apitest.Reply {
	return w.Do("", method, path, body, append(headers, "Authorization", "Basic "+who)...)
}

func (w world) alice() string { return basic("alice", w.Key(w.Alice, account.Admin)) }

func (w world) bob() string { return basic("bob", w.Key(w.Bob, account.Admin)) }

// TestGolden runs the cases of testdata: in requests {{alice}}, {{bob}} and {{reader}} are what follows Basic in the Authorization
// header; the reader is Alice with a key that may only read messages.
func TestGolden(t *testing.T) {
	t.Parallel()
	contract := apitest.NewContract(t, begin(t).Do("", "GET", "/docs/clicksend/openapi.json", "").Body.Bytes())
	var values map[string]string
	apitest.Golden(t, "testdata/*.http", func(t *testing.T) (http.Handler, map[string]string) {
		w := begin(t)
		fill(t, w, t.Name())
		values = map[string]string{
			"alice": w.alice(), "bob": w.bob(), "tester": basic("alice", w.KeyLike(key.Key{Account: w.Alice.ID, Test: true, Scopes: account.Scopes{account.Admin}}).Secret), "reader": basic("alice", w.Key(w.Alice, account.MessagesRead)),
			"closed": w.other("closed", 100, false), "poor": w.other("poor", 0, true),
			"wrong": basic("alice", "no-such-key"), "public": apitest.PublicURL, "soon": strconv.FormatInt(w.Core.Store.Now().Add(time.Hour).Unix(), 10),
		}
		return w, values
	}, func(t *testing.T, r *http.Request, body []byte, reply *http.Response) {
		t.Helper()
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/") // the document has each path once
		contract.CheckReply(t, r, body, reply)
		learn(values, reply)
	})
}

// learn lets later requests of a case name the first message of a reply, as {{message}}, and what that answers, as {{original}}.
func learn(values map[string]string, reply *http.Response) {
	type named struct {
		ID       string `json:"message_id"`
		Original string `json:"original_message_id"`
	}
	var said struct {
		Data struct {
			Messages []named
			Data     []named
		}
	}
	text, _ := io.ReadAll(reply.Body)
	_ = json.Unmarshal(text, &said)
	if sent := said.Data.Messages; len(sent) > 0 {
		values["message"] = sent[0].ID
	}
	if listed := said.Data.Data; len(listed) > 0 && listed[0].Original != "" {
		values["message"], values["original"] = listed[0].ID, listed[0].Original
	}
}

// fill puts into a case's world what its name asks for.
func fill(t *testing.T, w world, name string) {
	t.Helper()
	for part, add := range filled {
		if strings.Contains(name, "/"+part) {
			add(t, w)
		}
	}
}

// filled is, by how the name of a case begins, what its world has.
var filled = map[string]func(t *testing.T, w world){
	"shorten": func(_ *testing.T, w world) { w.Codes = func() string { return "aaaaaaaa" } }, // after the first, none is free
	"history": told,
	"fetched": func(t *testing.T, w world) { boxed(t, w) },
	"list":    func(_ *testing.T, w world) { w.list("friends", "+254701234567", "+254701234568") },
}

// other makes an account with a balance, which may be suspended, and tells how it signs in.
func (w world) other(name string, balance int64, active bool) string {
	var a account.Account
	w.Write(func(tx *store.Tx) (err error) {
		if a, err = w.Core.Members.Create(tx, audit.System, account.Account{Name: name, Region: "KE", Currency: "KES"}, name, ""); err != nil {
			return err
		}
		if err = w.Core.Wallet.Open(tx, a.ID, a.Currency); err != nil || balance == 0 {
			return err
		}
		return w.Core.Wallet.TopUp(tx, audit.System, a.ID, balance, "start")
	})
	secret := w.Key(a, account.Admin)
	w.Write(func(tx *store.Tx) error { return w.Core.Members.SetActive(tx, audit.System, a.ID, active) })
	return basic(name, secret)
}

// list makes a list of Alice's with people who have the numbers.
func (w world) list(name string, numbers ...string) {
	w.Write(func(tx *store.Tx) error {
		l, err := w.Core.Contacts.CreateList(tx, audit.System, w.Alice.ID, name)
		if err != nil {
			return err
		}
		edits := make([]contact.Edit, len(numbers))
		for i, n := range numbers {
			edits[i].Phone = &message.Address{Kind: message.Phone, Value: n}
		}
		people, err := w.Core.Contacts.Import(tx, audit.System, w.Alice.ID, edits)
		if err != nil {
			return err
		}
		who := make([]contact.ID, len(people))
		for i, p := range people {
			who[i] = p.ID
		}
		_, err = w.Core.Contacts.Put(tx, w.Alice.ID, l.ID, who)
		return err
	})
}

func TestPapersAreCommitted(t *testing.T) {
	t.Parallel()
	w := begin(t)
	apitest.File(t, "../../../docs/api/clicksend.openapi.json", w.Do("", "GET", "/docs/clicksend/openapi.json", "").Body.Bytes())
	apitest.File(t, "../../../docs/api/clicksend.postman.json", w.Do("", "GET", "/docs/clicksend/postman.json", "").Body.Bytes())
}
