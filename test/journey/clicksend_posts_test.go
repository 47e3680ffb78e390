package journey

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/simulator/customer"
)

// clicksendPosts has rules post what came in, in each of the three ways, and what became of a message.
func clicksendPosts(t *testing.T, c *clicksend) {
	number, said := c.Accounts[0].Numbers[0], "Your record has been added."
	for _, way := range []string{"post", "get", "json"} {
		c.told(t, "InboundSMSRulesApi.smsInboundAutomationPost", said, inboundRule, model("InboundSMSRule", map[string]any{
			"ruleName": way, "dedicatedNumber": number, "messageSearchType": 1, "messageSearchTerm": "BOOK", "action": "URL",
			"actionAddress": c.ControlURL + "/customer/in-" + way, "enabled": 1, "webhookType": way,
		}))
	}
	c.told(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPost", "Your new SMS receipt has been added.", receiptRule,
		model("DeliveryReceiptRule", map[string]any{"ruleName": "ends", "matchType": 0, "action": "URL", "actionAddress": c.ControlURL + "/customer/ends", "enabled": 1}))

	asked := c.one(t, "+254711000041", "When shall we come?", "from", number, "customString", "visit 7")
	c.ends(t, asked, "delivered")
	var told url.Values
	until(t, time.Minute, "the receipt is not posted", func() bool {
		for _, p := range c.posts(t, "ends") {
			if told = formOf(t, p); told.Get("message_id") == asked && told.Get("status_code") == "201" {
				return true
			}
		}
		return false
	})
	for name, want := range map[string]string{"messageid": asked, "status": "Delivered", "customstring": "visit 7", "custom_string": "visit 7", "error_code": "", "message_type": "sms"} {
		if !told.Has(name) || told.Get(name) != want {
			t.Errorf("the receipt's %s is %q, not %q", name, told.Get(name), want)
		}
	}

	c.inbound(t, "+254711000041", number, "not for these rules")
	c.inbound(t, "+254711000041", number, "Book & pay: 100% <now>, \u00e9\u4f60")
	want := map[string]string{
		"from": "+254711000041", "sms": "+254711000041", "to": number, "body": "Book & pay: 100% <now>, \u00e9\u4f60", "message": "Book & pay: 100% <now>, \u00e9\u4f60",
		"original_body": "When shall we come?", "originalmessage": "When shall we come?", "original_message_id": asked, "originalmessageid": asked,
		"originalsenderid": number, "custom_string": "visit 7", "customstring": "visit 7",
	}
	for way, read := range map[string]func(*testing.T, customer.Request) url.Values{"post": formOf, "get": queryOf, "json": flatOf} {
		var posts []customer.Request
		until(t, time.Minute, "no "+way+" of what came in", func() bool { posts = c.posts(t, "in-"+way); return len(posts) > 0 })
		if got := read(t, posts[0]); len(posts) != 1 {
			t.Errorf("%s: %d posts", way, len(posts))
		} else {
			for name, value := range want {
				if got.Get(name) != value {
					t.Errorf("%s: %s is %q, not %q", way, name, got.Get(name), value)
				}
			}
		}
		for name := range posts[0].Header {
			if strings.HasPrefix(name, "webhook-") {
				t.Errorf("%s: there is a header %s, which the original has not", way, name)
			}
		}
	}
}

// formOf are the fields of a post as a form.
func formOf(t *testing.T, p customer.Request) url.Values {
	t.Helper()
	var body string
	if err := json.Unmarshal(p.Body, &body); err != nil || p.Method != http.MethodPost || p.Header["content-type"] != "application/x-www-form-urlencoded" {
		t.Fatalf("%s %s %s is no form", p.Method, p.Header["content-type"], p.Body)
	}
	fields, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// queryOf are the parameters of a GET.
func queryOf(t *testing.T, p customer.Request) url.Values {
	t.Helper()
	at, err := url.Parse(p.Path)
	if err != nil || p.Method != http.MethodGet {
		t.Fatalf("%s %s, %v", p.Method, p.Path, err)
	}
	return at.Query()
}

// flatOf are the fields of a post as a JSON object, whose numbers are numbers.
func flatOf(t *testing.T, p customer.Request) url.Values {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(p.Body, &object); err != nil || p.Method != http.MethodPost || p.Header["content-type"] != "application/json" {
		t.Fatalf("%s %s %s is no object", p.Method, p.Header["content-type"], p.Body)
	}
	fields := url.Values{}
	for name, value := range object {
		switch value := value.(type) {
		case string:
			fields.Set(name, value)
		case float64:
			if name != "timestamp" && name != "user_id" && name != "subaccount_id" {
				t.Errorf("%s is a number", name)
			}
		default:
			t.Errorf("%s is %v", name, value)
		}
	}
	return fields
}
