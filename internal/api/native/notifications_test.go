package native

import (
	"testing"

	"tidings.dev/internal/account"
)

func TestNotificationsAreSet(t *testing.T) {
	w := begin(t)
	secret := w.Key(w.Alice, account.Admin)
	const path = base + "/account/notifications"
	r := w.Do(secret, "PUT", path, `{"emails":["ops@example.com"],"kinds":["channel.*"]}`)
	if r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	var n notificationsReply
	w.Do(secret, "GET", path, "").JSON(t, &n)
	if len(n.Emails) != 1 || n.Emails[0] != "ops@example.com" || n.Kinds[0] != "channel.*" {
		t.Errorf("%+v", n)
	}
	expect(t, w.Do(secret, "PUT", path, `{"emails":["ops"]}`), 422, "invalid_field", "emails[0]")
	expect(t, w.Do(secret, "PUT", path, `{"emails":[],"kinds":["message.*"]}`), 422, "invalid_field", "kinds[0]")
	w.Do(secret, "PUT", path, `{"emails":[]}`).JSON(t, &n)
	if len(n.Emails) != 0 || n.Kinds[0] != "*" {
		t.Errorf("%+v", n)
	}
}
