package native

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api/apitest"
)

// The tenant matrix: every operation of the document, asked by those who may not (OWASP API1 and API5). An operation that is
// added is in it at once; one whose path takes an id of a kind of its own adds such a thing to begun.

// bodies are what operations are asked with that want more than an empty object before they look for anything.
var bodies = map[string]string{
	"changeWebhook": `{"active":false}`,
}

func bodyOf(o operation) string {
	if body, ok := bodies[o.id]; ok || o.method == http.MethodGet {
		return body
	}
	return "{}"
}

var placeholders = regexp.MustCompile(`\{\w+\}`)

// at is the path of an operation with an id in each place.
func at(o operation, id string) string { return base + placeholders.ReplaceAllString(o.path, id) }

// begun is a world in which Bob has one of everything. It returns the ids.
func begun(t *testing.T) (*apitest.World, map[string]string) {
	t.Helper()
	w := begin(t)
	bob := w.Key(w.Bob, account.Admin)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	ch := idOf(t, w.Do(bob, "POST", base+"/channels", `{"name":"Bob's","driver":"mute"}`))
	w.Do(bob, "POST", base+"/opt-outs", `{"addresses":["+254701000009"]}`)
	var outs page[OptOutReply]
	w.Do(bob, "GET", base+"/opt-outs", "").JSON(t, &outs)
	optOut := outs.Items[0].ID
	contactID := idOf(t, w.Do(bob, "POST", base+"/contacts", `{"phone":"+254701000007","name":"Bob's friend"}`))
	list := idOf(t, w.Do(bob, "POST", base+"/lists", `{"name":"Bob's list"}`))
	w.Do(bob, "POST", base+"/lists/"+list+"/contacts", `{"contacts":["`+contactID+`"]}`)
	linked := idOf(t, w.Do(bob, "POST", base+"/messages", body("+254701234568", "https://bob.example", `"shorten_urls":true`)))
	var links page[LinkReply]
	w.Do(bob, "GET", base+"/links?message="+linked, "").JSON(t, &links)
	return w, map[string]string{
		"link":         links.Items[0].ID,
		"template":     idOf(t, w.Do(bob, "POST", base+"/templates", `{"name":"Bob's","body":"Hello"}`)),
		"issue":        idOf(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS","description":"Nothing came"}`)),
		"message":      idOf(t, w.Do(bob, "POST", base+"/messages", body("+254701234567", "x", `"scheduled_at":"`+later+`"`))),
		"media":        idOf(t, w.Do(bob, "POST", base+"/media?name=Bob.txt", "Bob's words")),
		"rule":         idOf(t, w.Do(bob, "POST", base+"/rules", `{"name":"Bob's rule","on":"inbound","action":"POLL"}`)),
		"webhook":      idOf(t, w.Do(bob, "POST", base+"/webhooks", `{"url":"https://example.com/","events":["*"]}`)),
		"key":          idOf(t, w.Do(bob, "POST", base+"/keys", `{"scopes":["messages:read"]}`)),
		"subaccount":   idOf(t, w.Do(bob, "POST", base+"/accounts", `{"name":"Bob's shop"}`)),
		"channel":      ch,
		"number":       idOf(t, w.Do(bob, "POST", base+"/numbers", `{"address":"+254711000000","channel":"`+ch+`"}`)),
		"sender":       idOf(t, w.Do(bob, "POST", base+"/senders", `{"address":"ACME","channel":"`+ch+`"}`)),
		"registration": idOf(t, w.Do(bob, "POST", base+"/registrations", `{"country":"KE","sender":"BOB"}`)),
		"opt-out":      optOut,
		"contact":      contactID,
		"list":         list,
		"import":       idOf(t, w.Do(bob, "POST", base+"/lists/"+list+"/import", `{"url":"https://example.com/Bob.csv","fields":["phone"]}`)),
		"conversation": talk(t, w, w.Bob.ID, "+254701000007"),
		"account":      w.Bob.ID.String(),
		"erasure":      idOf(t, w.Do(bob, "POST", base+"/erasures", `{"address":"+254701000008"}`)),
		"export":       idOf(t, w.Do(bob, "POST", base+"/exports", "{}")),
	}
}

// seen is all that the lists show of an account.
func seen(t *testing.T, w *apitest.World, secret string, except ...string) string {
	t.Helper()
	var b strings.Builder
	for _, o := range (&server{}).operations() {
		if o.method != http.MethodGet || strings.Contains(o.path, "{") || o.scope == account.Operate || o.scope == open || slices.Contains(except, o.id) {
			continue
		}
		r := w.Do(secret, "GET", base+o.path, "")
		if r.Code != http.StatusOK {
			t.Errorf("GET %s: %d %s", o.path, r.Code, r.Body)
		}
		fmt.Fprintln(&b, o.path, regexp.MustCompile(`"next_cursor":"[^"]*"`).ReplaceAllString(r.Body.String(), ""))
	}
	return b.String()
}

// unchanged fails the test when what Bob sees is not what it was.
func unchanged(t *testing.T, w *apitest.World, ask func()) {
	t.Helper()
	bob := w.Key(w.Bob, account.Admin)
	before := seen(t, w, bob)
	ask()
	if after := seen(t, w, bob); after != before {
		t.Errorf("Bob had\n%s\nand has\n%s", before, after)
	}
}

// TestEveryIDOfAnotherAccountIsUnknown is S01 to S03 and S08: every operation that takes ids, with ids of each kind.
func TestEveryIDOfAnotherAccountIsUnknown(t *testing.T) {
	w, ids := begun(t)
	alice := w.Key(w.Alice, account.Admin)
	tried := 0
	unchanged(t, w, func() {
		for _, o := range (&server{}).operations() {
			if !strings.Contains(o.path, "{") || o.scope == account.Operate {
				continue
			}
			absent := w.Do(alice, o.method, at(o, "0198c8f0-0000-7000-8000-000000000000"), bodyOf(o))
			for kind, id := range ids {
				tried++
				r := w.Do(alice, o.method, at(o, id), bodyOf(o))
				if r.Code != http.StatusNotFound || r.Code != absent.Code {
					t.Errorf("%s %s with a %s of Bob's: %d %s", o.method, o.path, kind, r.Code, r.Body)
				}
				if strings.Contains(r.Body.String(), "Bob") {
					t.Errorf("%s %s tells of Bob", o.method, o.path)
				}
			}
		}
	})
	if tried < 60 {
		t.Errorf("only %d were tried", tried)
	}
}

// TestScopesAreAsked is S06 and S07: a key without the scope, one that may read all and change nothing, and one that may all but
// what is the operator's.
func TestScopesAreAsked(t *testing.T) {
	w, ids := begun(t)
	none, admin := w.Key(w.Bob, account.Internal), w.Key(w.Bob, account.Admin)
	reads := slices.DeleteFunc(slices.Clone(account.AllScopes), func(s account.Scope) bool { return !strings.HasSuffix(string(s), ":read") })
	viewer := w.Key(w.Bob, reads...)
	unchanged(t, w, func() {
		for _, o := range (&server{}).operations() {
			if o.scope == open {
				continue
			}
			for _, id := range ids {
				expect(t, w.Do(none, o.method, at(o, id), bodyOf(o)), 403, "scope_missing", "")
				if o.method != http.MethodGet && !slices.Contains(readsByPost, o.id) {
					expect(t, w.Do(viewer, o.method, at(o, id), bodyOf(o)), 403, "scope_missing", "")
				}
				if o.scope == account.Operate {
					expect(t, w.Do(admin, o.method, at(o, id), bodyOf(o)), 403, "scope_missing", "")
				}
			}
		}
	})
}

// readsByPost are operations that change nothing, though what they ask needs a body.
var readsByPost = []string{}

// TestNobodyActsForAnotherAccount asks every operation in Bob's name.
func TestNobodyActsForAnotherAccount(t *testing.T) {
	w, ids := begun(t)
	alice, few := w.Key(w.Alice, account.Admin), w.Key(w.Alice, account.MessagesSend, account.MessagesRead)
	test := w.Key(w.Bob, account.MessagesRead)
	sub := map[string]string{"Bob": w.Bob.ID.String(), "Bob's subaccount": ids["subaccount"], "nobody": "0198c8f0-0000-7000-8000-000000000000", "nonsense": "bob"}
	unchanged(t, w, func() {
		for _, o := range (&server{}).operations() {
			if o.scope == open {
				continue
			}
			for _, whose := range sub {
				path := at(o, ids["message"])
				expect(t, w.Do(alice, o.method, path, bodyOf(o), "Tidings-Account", whose), 404, "not_found", "Tidings-Account")
				if whose == sub["nobody"] || whose == sub["nonsense"] {
					continue
				}
				expect(t, w.Do(few, o.method, path, bodyOf(o), "Tidings-Account", whose), 403, "scope_missing", "")
				if whose != w.Bob.ID.String() {
					expect(t, w.Do(test, o.method, path, bodyOf(o), "Tidings-Account", whose), 403, "scope_missing", "")
				}
			}
		}
	})
}

// TestNoFilterLeadsToAnotherAccount is S04 and S05.
func TestNoFilterLeadsToAnotherAccount(t *testing.T) {
	w, ids := begun(t)
	alice, bob := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin)
	w.Do(bob, "POST", base+"/messages", body("+254701234567", "y"))
	cursors := 0
	for _, o := range (&server{}).operations() {
		if o.method != http.MethodGet || o.scope == account.Operate || o.scope == open {
			continue
		}
		for _, name := range []string{"account_id", "workspace_id", "tenant"} {
			expect(t, w.Do(alice, "GET", at(o, ids["message"])+"?"+name+"="+w.Bob.ID.String(), ""), 400, "unknown_field", name)
		}
		if strings.Contains(o.path, "{") || !slices.Contains(o.parameters, "cursor") {
			continue
		}
		var p page[map[string]any]
		if w.Do(bob, "GET", base+o.path+"?limit=1", "").JSON(t, &p); p.NextCursor != "" {
			cursors++
			expect(t, w.Do(alice, "GET", base+o.path+"?cursor="+p.NextCursor, ""), 400, "invalid_cursor", "cursor")
		}
	}
	if cursors < 3 {
		t.Errorf("only %d lists of Bob's have two pages", cursors)
	}
}

// TestWhoMakesThingsMayRepeatTheRequest holds every POST to the Idempotency-Key but those that are named.
func TestWhoMakesThingsMayRepeatTheRequest(t *testing.T) {
	without := map[string]string{
		"previewMessage":  "it changes nothing",
		"previewBatch":    "the same",
		"cancelMessage":   "a message is cancelled once, whoever asks how often",
		"pauseChannel":    "a channel is paused, however often that is asked",
		"drainChannel":    "the same",
		"resumeChannel":   "the same",
		"logoutDevice":    "a device is logged out once, whoever asks how often",
		"reconnectDevice": "a repeat is another session",
		"pairDevice":      "while a pairing runs that one is answered",
		"checkNumbers":    "it changes nothing",
		"showTyping":      "it is over in seconds",
		"markRead":        "what is read is read",
		"readInbound":     "what is read is read",
		"readReceipts":    "what is read is read",
		"testWebhook":     "it changes nothing, and a repeat is another test",
	}
	for _, o := range (&server{}).operations() {
		if o.method == http.MethodPost && !o.keyed && without[o.id] == "" {
			t.Errorf("%s takes no Idempotency-Key", o.id)
		}
		delete(without, o.id)
	}
	for id := range maps.Keys(without) {
		t.Errorf("there is no operation %s", id)
	}
}
