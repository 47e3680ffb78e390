package native

import (
	"strings"
	"testing"

	"tidings.dev/internal/account"
)

func TestAnIssueGoesToTheOperatorAndBack(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice, bob, op := w.Key(w.Alice, account.Admin), w.Key(w.Bob, account.Admin), w.Key(w.Operator, account.Operate)
	message := idOf(t, w.Do(alice, "POST", base+"/messages", body("+254701234567", "x")))
	var made, got, again IssueReply
	r := w.Do(alice, "POST", base+"/issues", `{"type":"SMS","message":"`+message+`","description":"Nothing came","comments":"twice","email":"ann@example.com"}`, "Idempotency-Key", "k")
	expect(t, r, 201, "", "")
	r.JSON(t, &made)
	if made.Number != 1 || made.Message != message || made.Status != "open" || made.Account != w.Alice.ID.String() || made.Support != "" {
		t.Errorf("%+v", made)
	}
	if repeat := w.Do(alice, "POST", base+"/issues", `{"type":"SMS","message":"`+message+`","description":"Nothing came","comments":"twice","email":"ann@example.com"}`, "Idempotency-Key", "k"); idOf(t, repeat) != made.ID {
		t.Errorf("a repeat opens another: %s", repeat.Body)
	}
	bobs := idOf(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS","description":"Nor here"}`))
	var all, open, mine page[IssueReply]
	w.Do(op, "GET", base+"/support/issues", "").JSON(t, &all)
	if len(all.Items) != 2 || all.Items[0].ID != bobs || all.Items[1] != made {
		t.Errorf("%+v", all)
	}
	w.Do(op, "PATCH", base+"/support/issues/"+made.ID, `{"support_comments":"The phone was off.","status":"resolved"}`).JSON(t, &got)
	if got.Status != "resolved" || got.ResolvedAt == "" {
		t.Errorf("%+v", got)
	}
	w.Do(op, "GET", base+"/support/issues?status=open", "").JSON(t, &open)
	w.Do(alice, "GET", base+"/issues", "").JSON(t, &mine)
	if len(open.Items) != 1 || open.Items[0].ID != bobs || len(mine.Items) != 1 || mine.Items[0].Support != "The phone was off." {
		t.Errorf("open %+v, mine %+v", open, mine)
	}
	w.Do(op, "PATCH", base+"/support/issues/"+made.ID, `{"status":"open"}`).JSON(t, &again)
	if got = again; got.Status != "open" || got.ResolvedAt != "" || got.Support != "The phone was off." {
		t.Errorf("%+v", got)
	}
	expect(t, w.Do(alice, "GET", base+"/support/issues", ""), 403, "scope_missing", "")
	expect(t, w.Do(alice, "PATCH", base+"/support/issues/"+made.ID, `{"status":"resolved"}`), 403, "scope_missing", "")
	expect(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS","message":"`+message+`","description":"x"}`), 404, "not_found", "message")
	expect(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS","message":"1","description":"x"}`), 404, "not_found", "message")
	expect(t, w.Do(bob, "POST", base+"/issues", `{"description":"x"}`), 422, "missing_field", "type")
	expect(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS"}`), 422, "missing_field", "description")
	expect(t, w.Do(bob, "POST", base+"/issues", `{"type":"SMS","description":"x","email":"ann"}`), 422, "invalid_field", "email")
	expect(t, w.Do(op, "PATCH", base+"/support/issues/"+made.ID, `{"status":"gone"}`), 422, "invalid_field", "status")
	expect(t, w.Do(op, "PATCH", base+"/support/issues/"+message, `{}`), 404, "not_found", "")
	expect(t, w.Do(op, "GET", base+"/support/issues?status=closed", ""), 422, "invalid_field", "status")
}

func TestTemplatesAreKept(t *testing.T) {
	t.Parallel()
	w := begin(t)
	alice := w.Key(w.Alice, account.Admin)
	var made, got TemplateReply
	r := w.Do(alice, "POST", base+"/templates", `{"name":"Reminder","body":"Until tomorrow, {{name}}; '); DROP TABLE template;--"}`)
	expect(t, r, 201, "", "")
	r.JSON(t, &made)
	second := idOf(t, w.Do(alice, "POST", base+"/templates", `{"name":"Welcome","body":"Hello"}`))
	expect(t, w.Do(alice, "POST", base+"/templates", `{"name":"REMINDER","body":"x"}`), 409, "already_exists", "name")
	expect(t, w.Do(alice, "PATCH", base+"/templates/"+second, `{"name":"reminder"}`), 409, "already_exists", "name")
	w.Do(alice, "PATCH", base+"/templates/"+made.ID, `{"body":"New"}`).JSON(t, &got)
	if got.Body != "New" || got.Name != "Reminder" || got.Number != 1 {
		t.Errorf("%+v", got)
	}
	var list page[TemplateReply]
	w.Do(alice, "GET", base+"/templates?limit=1", "").JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != second || list.NextCursor == "" {
		t.Errorf("%+v", list)
	}
	if r := w.Do(alice, "DELETE", base+"/templates/"+made.ID, ""); r.Code != 204 {
		t.Error(r.Code)
	}
	expect(t, w.Do(alice, "GET", base+"/templates/"+made.ID, ""), 404, "not_found", "")
	expect(t, w.Do(alice, "DELETE", base+"/templates/"+made.ID, ""), 404, "not_found", "")
	expect(t, w.Do(alice, "PATCH", base+"/templates/x", "{}"), 404, "not_found", "")
	expect(t, w.Do(alice, "POST", base+"/templates", `{"body":"x"}`), 422, "missing_field", "name")
	expect(t, w.Do(alice, "POST", base+"/templates", `{"name":"n","body":" "}`), 422, "empty_text", "body")
	expect(t, w.Do(alice, "POST", base+"/templates", `{"name":"n","body":"`+strings.Repeat("x", 10_001)+`"}`), 422, "text_too_long", "body")
	audit := w.Do(alice, "GET", base+"/audit", "").Body.String()
	for _, action := range []string{"template.create", "template.change", "template.delete"} {
		if !strings.Contains(audit, action) {
			t.Errorf("the audit log has no %s", action)
		}
	}
}
