package journey

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The objects of messages (contract, 2.3).
var (
	acceptedMessage = object("direction,to,body,from,custom_string,country,carrier,status:text date,schedule:time message_id:uuid message_parts:int message_price:price " +
		"from_email,list_id,contact_id:text? user_id,subaccount_id:id is_shared_system_number:bool")
	rejectedMessage = object("to,body,from,custom_string,status:text message_id:uuid is_shared_system_number:bool")
	pricedMessage   = object("direction,to,body,from,custom_string,country,carrier,status:text message_id:uuid message_parts:int message_price:price " +
		"from_email,list_id,contact_id:text? is_shared_system_number:bool")
	historyRow = object("direction,to,body,status,from,schedule,status_text,message_price,custom_string,country,carrier,_api_username:text error_text,first_name,last_name:text? " +
		"date:time status_code,error_code:digits? message_id:uuid message_parts:int from_email,list_id,contact_id:text? user_id,subaccount_id:id")
	deliveryReceipt = object("timestamp_send,timestamp:time message_id:uuid status_code:int status_text,custom_string,message_type:text error_text:text? error_code:int? subaccount_id:id")
	inboundMessage  = object("timestamp,timestamp_send:time from,body,original_body,to,custom_string,_keyword:text message_id:uuid", map[string]shape{"original_message_id": either(kind("uuid"), kind("empty"))})
)

func batch(message shape) shape {
	return object("total_price:float total_count,queued_count,blocked_count:int", map[string]shape{"messages": list(message), "_currency": currency})
}

// sms is a message as the client has it.
func sms(to, body string, more ...any) map[string]any {
	m := map[string]any{"to": to, "body": body}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

func collection(messages ...map[string]any) any {
	list := []any{}
	for _, m := range messages {
		list = append(list, model("SmsMessage", m))
	}
	return model("SmsMessageCollection", map[string]any{"messages": list})
}

// message is what is stored of a message.
func (c *clicksend) message(t *testing.T, id string) value {
	t.Helper()
	return c.stored(t, "messages/"+strings.ToLower(id))
}

// delivered waits until a message is where it ends.
func (c *clicksend) ends(t *testing.T, id, status string) value {
	t.Helper()
	becomes(t, c.native, strings.ToLower(id), status, time.Minute)
	return c.message(t, id)
}

// sameMessage compares a message of a reply with the stored one.
func (c *clicksend) sameMessage(t *testing.T, shown value) {
	t.Helper()
	m := c.message(t, shown.at("message_id").String())
	shown.has(t, "message "+m.at("id").String(), map[string]any{
		"to": m.at("to"), "body": m.at("text"), "from": m.at("from"), "message_parts": m.at("parts"),
		"custom_string": m.at("metadata.custom_string").text(),
	})
	if got, want := micros(t, shown.at("message_price").String()), m.at("price_micros").number(); got != want {
		t.Errorf("message %s costs %d, stored are %d", m.at("id"), got, want)
	}
	created, err := time.Parse(time.RFC3339, m.at("created_at").String())
	if date := shown.at("date").number(); err != nil || date != created.Unix() {
		t.Errorf("message %s is of %d, stored at %s, %v", m.at("id"), date, created, err)
	}
}

func clicksendMessages(t *testing.T, c *clicksend) {
	number := c.Accounts[0].Numbers[0]
	messages := collection(
		sms("0701234567", "Hello {} \u20ac", "from", number, "customString", "order-7", "source", "npm", "fromEmail", "ann@example.com", "country", "KE"),
		sms("+254711000001", strings.Repeat("long text ", 20)),
	)
	costs := c.told(t, "SMSApi.smsPricePost", "Here is some pricing.", batch(pricedMessage), messages)
	before := c.stored(t, "wallet").at("available_micros").number()
	sent := c.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(acceptedMessage), messages)
	sent.has(t, "send", map[string]any{"total_count": 2, "queued_count": 2, "blocked_count": 0, "_currency.currency_name_short": "KES"})
	for i, m := range sent.at("messages").each() {
		m.has(t, "sent", map[string]any{"direction": "out", "status": "SUCCESS", "country": "KE", "user_id": c.account(t, c.Accounts[0].ID).at("number"), "message_price": costs.at(fmt.Sprintf("messages.%d.message_price", i))})
		c.sameMessage(t, m)
	}
	sent.at("messages.0").has(t, "send", map[string]any{"from": number, "custom_string": "order-7", "from_email": "ann@example.com", "list_id": nil})
	if costs.at("total_price").String() != sent.at("total_price").String() {
		t.Errorf("the price is %s, and was to be %s", sent.at("total_price"), costs.at("total_price"))
	}
	if paid := before - c.stored(t, "wallet").at("available_micros").number(); paid != micros(t, sent.at("total_price").String()) {
		t.Errorf("%d were paid, not %s", paid, sent.at("total_price"))
	}
	mixed := c.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(either(acceptedMessage, rejectedMessage)),
		collection(sms("0701234567", "good"), sms("12", "bad number"), sms("+254711000002", ""), sms("+254711000003", "bad sender", "from", "no sender at all")))
	mixed.has(t, "mixed", map[string]any{
		"total_count": 4, "queued_count": 1, "messages.0.status": "SUCCESS", "messages.1.status": "INVALID_RECIPIENT",
		"messages.2.status": "EMPTY_MESSAGE", "messages.3.status": "INVALID_SENDER_ID",
	})
	for i := range 2 {
		id := sent.at(fmt.Sprintf("messages.%d.message_id", i)).String()
		c.ends(t, id, "delivered")
		rows := c.told(t, "SMSApi.smsHistoryGet", "Here are your history.", page(historyRow), "message_id:"+id, nil, nil, 1, 15)
		rows.has(t, "history", map[string]any{"total": 1, "data.0.message_id": id, "data.0.status_code": "201"})
		c.sameMessage(t, rows.at("data.0"))
	}
	c.history(t)
}

// history compares the whole list, and the file of it, with the messages of the account.
func (c *clicksend) history(t *testing.T) {
	t.Helper()
	stored := len(c.stored(t, "messages?limit=100").at("items").each())
	all := c.told(t, "SMSApi.smsHistoryGet", "Here are your history.", page(historyRow), nil, time.Now().Add(-time.Hour).Unix(), time.Now().Unix()+1, 1, 100)
	all.has(t, "history", map[string]any{"total": stored, "per_page": 100})
	none := c.told(t, "SMSApi.smsHistoryGet", "Here are your history.", page(historyRow), "to:+15550000000", 1, 2, 1, 15)
	none.has(t, "history", map[string]any{"total": 0, "last_page": 0, "from": nil, "to": nil})
	file := c.told(t, "SMSApi.smsHistoryExportGet", "Download your file here.", object("url:text"), "messages")
	at, err := url.Parse(file.at("url").String())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(c.URL + at.RequestURI())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil || resp.StatusCode != http.StatusOK || len(rows) != stored+1 {
		t.Errorf("the file of %d messages has %d rows and a head: %d %v", stored, len(rows)-1, resp.StatusCode, err)
	}
}

func clicksendScheduled(t *testing.T, c *clicksend) {
	later := time.Now().Add(time.Hour).Unix()
	sent := c.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(acceptedMessage), collection(
		sms("+254711000011", "later", "schedule", later), sms("+254711000012", "later", "schedule", later), sms("+254711000013", "later", "schedule", later)))
	ids := []string{}
	for _, m := range sent.at("messages").each() {
		m.has(t, "scheduled", map[string]any{"schedule": later})
		c.message(t, m.at("message_id").String()).has(t, "stored", map[string]any{"status": "scheduled", "scheduled_at": time.Unix(later, 0).UTC().Format("2006-01-02T15:04:05.000Z")})
		ids = append(ids, m.at("message_id").String())
	}
	c.told(t, "SMSApi.smsCancelByMessageIdPut", "Scheduled sms message has been cancelled.", kind("null"), ids[0])
	c.refused(t, "SMSApi.smsCancelByMessageIdPut", http.StatusNotFound, "NOT_FOUND", ids[0])
	c.told(t, "SMSApi.smsCancelAllPut", "2 sms messages have been cancelled.", object("count:int")).has(t, "cancelled", map[string]any{"count": 2})
	for _, id := range ids {
		c.message(t, id).has(t, "stored", map[string]any{"status": "cancelled"})
	}
	c.told(t, "SMSApi.smsCancelAllPut", "0 sms messages have been cancelled.", object("count:int")).has(t, "cancelled", map[string]any{"count": 0})
}

// one sends a text and returns its id.
func (c *clicksend) one(t *testing.T, to, body string, more ...any) string {
	t.Helper()
	sent := c.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(acceptedMessage), collection(sms(to, body, more...)))
	return sent.at("messages.0.message_id").String()
}

// listed asks for a list until it has as many rows.
func (c *clicksend) listed(t *testing.T, method, said string, row shape, want int, args ...any) value {
	t.Helper()
	var rows value
	until(t, time.Minute, fmt.Sprintf("%s never had %d rows", method, want), func() bool {
		rows = c.told(t, method, said, page(row), args...)
		return rows.at("total").number() == int64(want)
	})
	return rows
}

func clicksendReceipts(t *testing.T, c *clicksend) {
	const said = "Here are your delivery receipts."
	c.told(t, "SMSApi.smsReceiptsReadPut", "Receipts have been marked as read.", either(kind("null"), object("")), nil)
	c.listed(t, "SMSApi.smsReceiptsGet", said, deliveryReceipt, 0)
	good, bad := c.one(t, "+254711000021", "receipt", "customString", "good"), c.one(t, "+254711009901", "receipt", "customString", "bad")
	c.ends(t, good, "delivered")
	c.ends(t, bad, "failed")
	rows := c.listed(t, "SMSApi.smsReceiptsGet", said, deliveryReceipt, 2, 1, 15)
	for id, want := range map[string]map[string]any{
		good: {"custom_string": "good", "status_code": 201, "message_type": "sms"}, bad: {"custom_string": "bad", "status_code": 301, "message_type": "sms"},
	} {
		rows.at("data").where("message_id", id).has(t, "listed", want)
		c.told(t, "SMSApi.smsReceiptsByMessageIdGet", "Your receipt.", deliveryReceipt, id).has(t, "single", want)
	}
	c.told(t, "SMSApi.smsReceiptsReadPut", "Receipts have been marked as read.", either(kind("null"), object("")), model("DateBefore", map[string]any{"dateBefore": time.Now().Add(-time.Hour).Unix()}))
	c.listed(t, "SMSApi.smsReceiptsGet", said, deliveryReceipt, 2)
	c.told(t, "SMSApi.smsReceiptsReadPut", "Receipts have been marked as read.", either(kind("null"), object("")), nil)
	c.listed(t, "SMSApi.smsReceiptsGet", said, deliveryReceipt, 0)
	c.told(t, "SMSApi.smsReceiptsByMessageIdGet", "Your receipt.", deliveryReceipt, good)
	c.refused(t, "SMSApi.smsReceiptsByMessageIdGet", http.StatusNotFound, "NOT_FOUND", "ID/1")
	c.told(t, "SMSApi.smsReceiptsPost", "Receipt has been added", deliveryReceipt, model("Url", map[string]any{"url": "poll"}))
	c.listed(t, "SMSApi.smsReceiptsGet", said, deliveryReceipt, 1)
	c.told(t, "SMSApi.smsReceiptsReadPut", "Receipts have been marked as read.", either(kind("null"), object("")), nil)
}

func clicksendInbound(t *testing.T, c *clicksend) {
	const said = "Here are your data."
	number := c.Accounts[0].Numbers[0]
	c.told(t, "SMSApi.smsInboundReadPut", "Inbound messages have been marked as read.", kind("null"), nil)
	asked := c.one(t, "+254711000031", "Shall we?", "from", number, "customString", "question")
	c.ends(t, asked, "delivered")
	c.inbound(t, "+254711000031", number, "Yes, please")
	c.inbound(t, "+254711000032", number, "And me?")
	rows := c.listed(t, "SMSApi.smsInboundGet", said, inboundMessage, 2, nil, 1, 15)
	answer := rows.at("data").where("body", "Yes, please")
	want := map[string]any{"from": "+254711000031", "to": number, "original_body": "Shall we?", "original_message_id": asked, "custom_string": "question", "_keyword": "yes,"}
	answer.has(t, "listed", want)
	c.message(t, answer.at("message_id").String()).has(t, "stored", map[string]any{"text": "Yes, please", "from": "+254711000031", "direction": "inbound", "answers": strings.ToLower(asked)})
	c.plain(t, "GET", "/sms/inbound/"+asked, "").good(t, "inbound of a message", "Here are your result.", inboundMessage).has(t, "single", want)
	c.seen["GET /sms/inbound/{original_message_id}"] = true
	c.told(t, "SMSApi.smsInboundReadByMessageIdPut", "Receipt have been marked as read.", kind("int"), answer.at("message_id").String())
	c.listed(t, "SMSApi.smsInboundGet", said, inboundMessage, 1).at("data.0").has(t, "left", map[string]any{"body": "And me?", "from": "+254711000032"})
	c.told(t, "SMSApi.smsInboundReadPut", "Inbound messages have been marked as read.", kind("null"), nil)
	c.listed(t, "SMSApi.smsInboundGet", said, inboundMessage, 0)
	c.told(t, "SMSApi.smsInboundPost", "Test inbound message has been added.", inboundMessage, model("Url", map[string]any{"url": c.ControlURL + "/customer/pushed"}))
}

var smsTemplate = object("template_id:id template_name,body:text")

func clicksendTemplates(t *testing.T, c *clicksend) {
	saved := c.told(t, "SMSApi.smsTemplatesPost", "New template has been saved.", smsTemplate, model("SmsTemplate", map[string]any{"templateName": "Welcome", "body": "Hello ~first_name~"}))
	id := saved.at("template_id").number()
	want := map[string]any{"template_id": id, "template_name": "Welcome", "body": "Hello ~first_name~"}
	saved.has(t, "saved", want)
	c.stored(t, "templates").at("items").where("name", "Welcome").has(t, "stored", map[string]any{"number": id, "body": "Hello ~first_name~"})
	c.told(t, "SMSApi.smsTemplatesGet", "Here are your templates.", page(smsTemplate), 1, 15).at("data.0").has(t, "listed", want)
	c.plain(t, "GET", fmt.Sprintf("/sms/templates/%d", id), "").good(t, "template", "Here is your template.", smsTemplate).has(t, "single", want)
	c.seen["GET /sms/templates/{template_id}"] = true
	changed := c.told(t, "SMSApi.smsTemplatesByTemplateIdPut", "Your template has been updated.", smsTemplate, id, model("SmsTemplate", map[string]any{"templateName": "Greeting", "body": "Hi"}))
	changed.has(t, "changed", map[string]any{"template_id": id, "template_name": "Greeting", "body": "Hi"})
	c.refused(t, "SMSApi.smsTemplatesPost", http.StatusBadRequest, "ALREADY_EXISTS", model("SmsTemplate", map[string]any{"templateName": "greeting", "body": "Hi"}))
	c.told(t, "SMSApi.smsTemplatesByTemplateIdDelete", "Your template has been deleted.", kind("null"), id)
	c.told(t, "SMSApi.smsTemplatesGet", "Here are your templates.", page(smsTemplate), 1, 15).has(t, "listed", map[string]any{"total": 0})
	c.refused(t, "SMSApi.smsTemplatesByTemplateIdDelete", http.StatusNotFound, "NOT_FOUND", id)
}

var deliveryIssue = object("issue_id,user_id:id type,description,status,email_address:text client_comments,support_comments:text? message_id:uuid date_added:time resolved:flag")

func clicksendIssues(t *testing.T, c *clicksend) {
	about := c.one(t, "+254711000041", "where is it?")
	wanted := map[string]any{"messageId": about, "type": "SMS", "description": "It never came", "clientComments": "twice", "emailAddress": "ann@example.com"}
	told := map[string]any{"message_id": about, "type": "SMS", "description": "It never came", "client_comments": "twice", "email_address": "ann@example.com"}
	c.told(t, "DeliveryIssuesApi.deliveryIssuesPost", "New delivery issue has been created.", deliveryIssue, model("DeliveryIssue", wanted)).has(t, "told", told)
	c.told(t, "DeliveryIssuesApi.deliveryIssuesGet", "Here is your result.", list(deliveryIssue), 1, 15).at("0").has(t, "listed", told)
	c.stored(t, "issues").at("items.0").has(t, "stored", map[string]any{"message": strings.ToLower(about), "type": "SMS", "description": "It never came", "comments": "twice", "email": "ann@example.com", "status": "open"})
}
