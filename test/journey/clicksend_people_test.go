package journey

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Rules.

var (
	ruleFields  = "rule_name,action,action_address:text enabled:flag"
	receiptRule = object(ruleFields + " receipt_rule_id:id match_type:int")
	inboundRule = object(ruleFields + " inbound_rule_id,sms_inbound_rule_id:id dedicated_number,message_search_term,webhook_type:text message_search_type:int")
)

// clicksendRules leaves one rule of each kind that puts what comes into the lists to poll.
func clicksendRules(t *testing.T, c *clicksend) {
	poll := map[string]any{"ruleName": "poll", "dedicatedNumber": "*", "messageSearchType": 0, "messageSearchTerm": "", "action": "POLL", "actionAddress": "", "enabled": 1, "webhookType": "post"}
	c.told(t, "InboundSMSRulesApi.smsInboundAutomationPost", "Your record has been added.", inboundRule, model("InboundSMSRule", poll))
	push := maps.Clone(poll)
	maps.Copy(push, map[string]any{"ruleName": "orders", "messageSearchType": 1, "messageSearchTerm": "order", "action": "URL", "actionAddress": c.ControlURL + "/customer/in", "webhookType": "json"})
	added := c.told(t, "InboundSMSRulesApi.smsInboundAutomationPost", "Your record has been added.", inboundRule, model("InboundSMSRule", push))
	want := map[string]any{
		"rule_name": "orders", "dedicated_number": "*", "message_search_type": 1, "message_search_term": "order", "action": "URL",
		"action_address": c.ControlURL + "/customer/in", "enabled": 1, "webhook_type": "json",
	}
	added.has(t, "added", want)
	id := added.at("inbound_rule_id").number()
	want["inbound_rule_id"] = id
	c.stored(t, "rules").at("items").where("name", "orders").has(t, "stored", map[string]any{
		"number": id, "on": "inbound", "search": "starts_with", "term": "order", "action": "URL", "target": c.ControlURL + "/customer/in", "webhook": "json", "enabled": true,
	})
	c.told(t, "InboundSMSRulesApi.smsInboundAutomationGet", "Your inbound rule.", inboundRule, id).has(t, "single", want)
	listed := c.told(t, "InboundSMSRulesApi.smsInboundAutomationsGet", "Your list of inbound rules.", widePage(inboundRule), nil, 1, 15)
	listed.at("data").where("rule_name", "orders").has(t, "listed", want)
	c.told(t, "InboundSMSRulesApi.smsInboundAutomationsGet", "Your list of inbound rules.", widePage(inboundRule), "rule_name:ORDERS", 1, 15).has(t, "found", map[string]any{"total": 1, "data.0.sms_inbound_rule_id": id})
	maps.Copy(push, map[string]any{"ruleName": "all orders", "enabled": 0})
	maps.Copy(want, map[string]any{"rule_name": "all orders", "enabled": 0})
	c.told(t, "InboundSMSRulesApi.smsInboundAutomationPut", "Your record has been updated.", inboundRule, id, model("InboundSMSRule", push)).has(t, "changed", want)
	c.told(t, "InboundSMSRulesApi.smsInboundAutomationDelete", "Your record has been deleted.", list(kind("any")), id)
	c.refused(t, "InboundSMSRulesApi.smsInboundAutomationGet", http.StatusNotFound, "NOT_FOUND", id)
	if c.stored(t, "rules").at("items").where("name", "all orders").v != nil {
		t.Error("the deleted rule is there")
	}
	c.receiptRules(t)
}

func (c *clicksend) receiptRules(t *testing.T) {
	t.Helper()
	rule := func(name, action, address string, enabled int) any {
		return model("DeliveryReceiptRule", map[string]any{"ruleName": name, "matchType": 0, "action": action, "actionAddress": address, "enabled": enabled})
	}
	const saved = "Your new SMS receipt has been added."
	c.told(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPost", saved, receiptRule, rule("poll", "POLL", "", 1))
	added := c.told(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPost", saved, receiptRule, rule("push", "URL", c.ControlURL+"/customer/receipts", 1))
	id := added.at("receipt_rule_id").number()
	want := map[string]any{"receipt_rule_id": id, "rule_name": "push", "match_type": 0, "action": "URL", "action_address": c.ControlURL + "/customer/receipts", "enabled": 1}
	added.has(t, "added", want)
	stored := map[string]any{"name": "push", "on": "receipt", "action": "URL", "target": c.ControlURL + "/customer/receipts", "enabled": true}
	c.stored(t, "rules").at("items").where("number", fmt.Sprint(id)).has(t, "stored", stored)
	c.call(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationGet", id).goodAny(t, "single", receiptRule).has(t, "single", want)
	c.told(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationsGet", "Your list of rule incoming sms receipt.", page(receiptRule), nil, 1, 15).at("data").where("rule_name", "push").has(t, "listed", want)
	want["enabled"] = 0
	c.call(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPut", id, rule("push", "URL", c.ControlURL+"/customer/receipts", 0)).goodAny(t, "changed", receiptRule).has(t, "changed", want)
	c.call(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationDelete", id).goodAny(t, "deleted", list(kind("any")))
	c.refused(t, "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationGet", http.StatusNotFound, "NOT_FOUND", id)
}

// goodAny is good where the contract does not say with which words.
func (r reply) goodAny(t *testing.T, what string, is shape) value {
	t.Helper()
	return r.good(t, what, read(t, r.Body).at("response_msg").String(), is)
}

// Lists and contacts.

var (
	contactList  = object("list_id:id list_name:text list_email_id:text _contacts_count:int _import_in_progress,_optout_in_progress:flag")
	listContact  = object("contact_id,list_id:id date_added,date_updated:time _list_name,phone_number,first_name,last_name,custom_1,custom_2,custom_3,custom_4:text email,fax_number,organization_name,address_line_1,address_line_2,address_city,address_state,address_postal_code,address_country:text?")
	theseAreData = "Here are your data."
)

func (c *clicksend) newList(t *testing.T, name string) int64 {
	t.Helper()
	made := c.told(t, "ContactListApi.listsPost", "New list has been created.", contactList, model("ContactList", map[string]any{"listName": name}))
	made.has(t, "made", map[string]any{"list_name": name, "_contacts_count": 0})
	return made.at("list_id").number()
}

func clicksendLists(t *testing.T, c *clicksend) {
	id := c.newList(t, "News")
	c.stored(t, "lists").at("items").where("name", "News").has(t, "stored", map[string]any{"number": id, "contacts": 0})
	c.told(t, "ContactListApi.listsByListIdGet", theseAreData, contactList, id).has(t, "single", map[string]any{"list_id": id, "list_name": "News"})
	c.told(t, "ContactListApi.listsByListIdPut", fmt.Sprintf("List #%d has been updated.", id), contactList, id, model("ContactList", map[string]any{"listName": "Newsletter"})).has(t, "changed", map[string]any{"list_name": "Newsletter"})
	c.told(t, "ContactListApi.listsGet", theseAreData, widePage(contactList), 1, 15).at("data").where("list_name", "Newsletter").has(t, "listed", map[string]any{"list_id": id})
	c.refused(t, "ContactListApi.listsPost", http.StatusBadRequest, "ALREADY_EXISTS", model("ContactList", map[string]any{"listName": "newsletter"}))
	c.told(t, "ContactListApi.listsByListIdDelete", fmt.Sprintf("List #%d has been deleted.", id), list(kind("any")), id)
	c.call(t, "ContactListApi.listsByListIdGet", id).bad(t, "deleted list", http.StatusNotFound, "NOT_ENOUGH_PERMISSION_TO_LIST_ID")
	if c.stored(t, "lists").at("items").where("number", fmt.Sprint(id)).v != nil {
		t.Error("the deleted list is there")
	}
}

// newContact puts somebody into a list.
func (c *clicksend) newContact(t *testing.T, in int64, phone, first, last string) int64 {
	t.Helper()
	made := c.told(t, "ContactApi.listsContactsByListIdPost", "Here's your list of contacts.", listContact,
		model("Contact", map[string]any{"phoneNumber": phone, "firstName": first, "lastName": last}), in)
	made.has(t, "made", map[string]any{"list_id": in, "phone_number": phone, "first_name": first, "last_name": last})
	return made.at("contact_id").number()
}

func clicksendContacts(t *testing.T, c *clicksend) {
	a, b := c.newList(t, "First"), c.newList(t, "Second")
	properties, want := map[string]any{"phoneNumber": "+254711000101"}, map[string]any{"phone_number": "+254711000101", "list_id": a, "_list_name": "First"}
	for property, field := range map[string]string{
		"firstName": "first_name", "lastName": "last_name", "custom1": "custom_1", "custom2": "custom_2", "custom3": "custom_3", "custom4": "custom_4", "email": "email",
		"faxNumber": "fax_number", "organizationName": "organization_name", "addressLine1": "address_line_1", "addressLine2": "address_line_2", "addressCity": "address_city",
		"addressState": "address_state", "addressPostalCode": "address_postal_code", "addressCountry": "address_country",
	} {
		text := "the " + field + `'; drop table contact; -- <script>`
		switch property {
		case "email":
			text = "ann@example.com"
		case "faxNumber":
			text = "+254201234567"
		case "addressCountry":
			text = "KE"
		}
		properties[property], want[field] = text, text
	}
	made := c.told(t, "ContactApi.listsContactsByListIdPost", "Here's your list of contacts.", listContact, model("Contact", properties), a)
	made.has(t, "made", want)
	id := made.at("contact_id").number()
	stored := c.stored(t, "contacts?q=%2B254711000101").at("items.0")
	stored.has(t, "stored", map[string]any{"number": id, "phone": "+254711000101", "email": "ann@example.com"})
	c.told(t, "ContactApi.listsContactsByListIdAndContactIdGet", theseAreData, listContact, a, id).has(t, "single", want)
	properties["firstName"], want["first_name"] = "Ann", "Ann"
	c.told(t, "ContactApi.listsContactsByListIdAndContactIdPut", fmt.Sprintf("Contact #%d has been updated successfully.", id), listContact, a, id, model("Contact", properties)).has(t, "changed", want)
	c.told(t, "ContactApi.listsContactsByListIdGet", "Here's your list of contacts.", page(listContact), a, 1, 15).at("data.0").has(t, "listed", want)
	c.told(t, "ContactApi.listsContactsByListIdGet", "Here's your list of contacts.", page(listContact), a, 1, 15, time.Now().Add(time.Hour).Unix()).has(t, "none since", map[string]any{"total": 0})

	c.told(t, "ContactApi.listsCopyContactPut", fmt.Sprintf("Contact #%d has been copied to List #%d", id, b), listContact, a, id, b).has(t, "copied", map[string]any{"list_id": b, "first_name": "Ann"})
	other := c.newContact(t, a, "+254711000102", "Bob", "Otieno")
	c.told(t, "ContactApi.listsTransferContactPut", fmt.Sprintf("Contact #%d has been transferred to List #%d", other, b), listContact, a, other, b).has(t, "moved", map[string]any{"list_id": b, "first_name": "Bob"})
	c.inList(t, "First", 1)
	c.inList(t, "Second", 2)
	c.listSends(t, b)

	c.newContact(t, b, "+254711000103", "Bob", "Otieno")
	same := model("Fields", map[string]any{"fields": model("FieldsFields", map[string]any{"firstName": "", "lastName": ""})})
	c.told(t, "ContactListApi.listsRemoveDuplicatesByListIdPut", "Your list duplicate contacts has been deleted.", object("deleted:int"), b, same).has(t, "removed", map[string]any{"deleted": 1})
	c.newContact(t, b, "+254711000104", "Carol", "")
	out := c.newList(t, "Out")
	c.newContact(t, out, "+254711000104", "Carol", "")
	c.told(t, "ContactApi.listsRemoveOptedOutContactsByListIdAndOptOutListIdPut", "Optout contacts has been deleted.", object("deleted:int"), b, out).has(t, "removed", map[string]any{"deleted": 1})
	c.inList(t, "Second", 2)
	c.told(t, "ContactApi.listsContactsByListIdAndContactIdDelete", fmt.Sprintf("Contact #%d has been deleted.", other), list(kind("any")), b, other)
	c.inList(t, "Second", 1)
	c.call(t, "ContactApi.listsContactsByListIdAndContactIdGet", b, other).bad(t, "deleted contact", http.StatusNotFound, "NOT_FOUND")
	c.importsFile(t, b)
}

func clicksendSearch(t *testing.T, c *clicksend) {
	found := c.told(t, "SearchApi.searchContactsListsGet", theseAreData, page(either(contactList, listContact)), "Ann", 1, 15)
	found.at("data").where("first_name", "Ann").has(t, "found", map[string]any{"phone_number": "+254711000101"})
}

// importsFile has people fetched from a file into a list.
func (c *clicksend) importsFile(t *testing.T, into int64) {
	t.Helper()
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "+254711000105,Dina\n+254711000106,Evan\n")
	}))
	defer files.Close()
	file := func(url string) any {
		return model("ContactListImport", map[string]any{"fileUrl": url, "fieldOrder": []string{"phone", "first_name"}})
	}
	c.told(t, "ContactListApi.listsImportByListIdPost", "Your file is now queued.", object("msg:text", map[string]shape{"ids": list(kind("text")), "id": kind("text")}), into, file(files.URL+"/people.csv"))
	until(t, time.Minute, "the file's people did not come", func() bool {
		return c.stored(t, "lists").at("items").where("number", fmt.Sprint(into)).at("contacts").number() == 3
	})
	rows := c.told(t, "ContactApi.listsContactsByListIdGet", "Here's your list of contacts.", page(listContact), into, 1, 15)
	rows.at("data").where("phone_number", "+254711000106").has(t, "imported", map[string]any{"first_name": "Evan"})
	c.refused(t, "ContactListApi.listsImportByListIdPost", http.StatusBadRequest, "BAD_REQUEST", into, file("http://192.168.7.1/people.csv"))
}

// inList looks how many are stored in a list.
func (c *clicksend) inList(t *testing.T, name string, want int) {
	t.Helper()
	c.stored(t, "lists").at("items").where("name", name).has(t, "stored list "+name, map[string]any{"contacts": want})
}

// listSends sends to a list of two.
func (c *clicksend) listSends(t *testing.T, to int64) {
	t.Helper()
	sent := c.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(acceptedMessage), collection(map[string]any{"listId": to, "body": "Hello list"}))
	sent.has(t, "sent to a list", map[string]any{"total_count": 2, "queued_count": 2})
	for _, m := range sent.at("messages").each() {
		m.has(t, "sent to a list", map[string]any{"list_id": to})
		c.sameMessage(t, m)
	}
	c.call(t, "SMSApi.smsSendPost", collection(map[string]any{"listId": 2147483647, "body": "Hello list"})).goodAny(t, "no list", batch(kind("any"))).
		has(t, "no list", map[string]any{"queued_count": 0, "messages.0.status": "NOT_ENOUGH_PERMISSION_TO_LIST_ID"})
}

// The account.

var accountShape = object("user_id:id username,user_email,user_phone,reply_to,user_first_name,user_last_name,account_name,account_billing_email,account_billing_mobile,country,default_country_sms,timezone:text delivery_to:text? "+
	"active,banned,auto_recharge,setting_unicode_sms,setting_fix_sender_id,setting_sms_message_char_limit,old_dashboard,account:int balance,auto_recharge_amount,low_credit_amount,balance_commission:money setting_email_sms_subject:any",
	map[string]shape{"_currency": currency, "_subaccount": kind("any")})

func clicksendAccount(t *testing.T, c *clicksend) {
	shown := c.told(t, "AccountApi.accountGet", "Here's your account.", accountShape)
	stored := c.account(t, c.Accounts[0].ID)
	shown.has(t, "account", map[string]any{"username": c.username, "country": "KE", "active": 1, "banned": 0, "_currency.currency_name_short": "KES", "user_id": stored.at("number")})
	if got, want := micros(t, shown.at("balance").String()), c.stored(t, "wallet").at("available_micros").number(); got != want {
		t.Errorf("the balance is %d, stored are %d", got, want)
	}
	if strings.Contains(shown.String(), c.key) {
		t.Error("the account shows the key")
	}
	c.usage(t)
	password := c.as(c.username, c.Accounts[0].Password)
	password.told(t, "AccountApi.accountGet", "Here's your account.", accountShape).has(t, "by password", map[string]any{"user_id": stored.at("number")})
}

// counted are the account's numbers of today, as stored.
func (c *clicksend) counted(t *testing.T) value {
	t.Helper()
	return c.stored(t, "usage?by=account&since="+time.Now().UTC().Format(time.DateOnly)).at("items.0")
}

func (c *clicksend) usage(t *testing.T) {
	t.Helper()
	now := time.Now().UTC()
	row, total := object("subaccount_id:id username:text total_count:money total_price:float"), object("count:int price:float")
	kinds := map[string]shape{"_currency": currency}
	for _, kind := range []string{"sms", "mms", "voice", "fax", "post", "email", "whatsapp"} {
		kinds[kind], kinds[kind+"_total"] = list(row), total
	}
	const said = "Here is your usage for this month."
	used := c.told(t, "AccountApi.accountUseageBySubaccountGet", said, object("", kinds), now.Year(), int(now.Month()))
	stored := c.counted(t)
	used.has(t, "usage", map[string]any{"sms_total.count": stored.at("accepted"), "sms.0.username": c.username, "sms.0.total_count": stored.at("accepted").String() + ".00"})
	if got := micros(t, used.at("sms_total.price").String()); got != stored.at("charged_micros").number() {
		t.Errorf("%d were paid, stored are %s", got, stored.at("charged_micros"))
	}
	before := c.told(t, "AccountApi.accountUseageBySubaccountGet", said, object("", kinds), now.Year()-1, 1)
	before.has(t, "usage of last year", map[string]any{"sms_total.count": 0})
}

var subaccountShape = object("subaccount_id:id api_username,email,phone_number,first_name,last_name,api_key:text notes:text? " +
	"access_users,access_billing,access_reporting,access_contacts,access_settings,access_sms,access_email,access_voice,access_fax,access_post,access_reseller,access_mms,share_campaigns:flag")

func clicksendSubaccounts(t *testing.T, c *clicksend) {
	wanted := map[string]any{
		"apiUsername": "acme-shop", "password": "correct horse 7", "email": "shop@example.com", "phoneNumber": "+254711000201", "firstName": "Shop", "lastName": "Keeper",
		"accessUsers": 1, "accessBilling": 0, "accessReporting": 1, "accessContacts": 0, "accessSettings": 1,
	}
	want := map[string]any{
		"api_username": "acme-shop", "email": "shop@example.com", "phone_number": "+254711000201", "first_name": "Shop", "last_name": "Keeper",
		"access_users": 1, "access_billing": 0, "access_reporting": 1, "access_contacts": 0, "access_settings": 1,
	}
	made := c.told(t, "SubaccountApi.subaccountsPost", "New account has been created.", subaccountShape, model("Subaccount", wanted))
	made.has(t, "made", want)
	id := made.at("subaccount_id").number()
	c.stored(t, "accounts").at("items").where("number", fmt.Sprint(id)).has(t, "stored", map[string]any{
		"status": "active", "parent_id": c.Accounts[0].ID, "username": "acme-shop", "email": "shop@example.com", "phone_number": "+254711000201", "first_name": "Shop", "last_name": "Keeper",
	})
	c.refused(t, "SubaccountApi.subaccountsPost", http.StatusBadRequest, "ALREADY_EXISTS", model("Subaccount", wanted))
	c.told(t, "SubaccountApi.subaccountsBySubaccountIdGet", theseAreData, subaccountShape, id).has(t, "single", want)
	c.told(t, "SubaccountApi.subaccountsGet", "SUCCESS", page(subaccountShape), 1, 15).at("data").where("api_username", "acme-shop").has(t, "listed", want)
	wanted["firstName"], want["first_name"] = "Duka", "Duka"
	c.told(t, "SubaccountApi.subaccountsBySubaccountIdPut", fmt.Sprintf("Subaccount #%d has been updated.", id), subaccountShape, id, model("Subaccount", wanted)).has(t, "changed", want)

	fresh := c.told(t, "SubaccountApi.subaccountsRegenApiKeyBySubaccountIdPut", "Your API Key has been regenerated.", object("api_key:text"), id).at("api_key").String()
	shop := c.as("acme-shop", fresh)
	sent := shop.told(t, "SMSApi.smsSendPost", "Messages queued for delivery.", batch(acceptedMessage), collection(sms("+254711000202", "from the shop")))
	sent.at("messages.0").has(t, "sent", map[string]any{"subaccount_id": id, "status": "SUCCESS"})
	c.told(t, "SubaccountApi.subaccountsRegenApiKeyBySubaccountIdPut", "Your API Key has been regenerated.", object("api_key:text"), id)
	shop.refused(t, "SMSApi.smsHistoryGet", http.StatusUnauthorized, "UNAUTHORIZED")
	c.told(t, "SubaccountApi.subaccountsBySubaccountIdDelete", fmt.Sprintf("Subaccount #%d has been deleted", id), kind("bool"), id)
	c.refused(t, "SubaccountApi.subaccountsBySubaccountIdGet", http.StatusNotFound, "NOT_FOUND", id)
}

func clicksendNumbers(t *testing.T, c *clicksend) {
	number := c.Accounts[0].Numbers[0]
	numbers := c.call(t, "NumberApi.numbersGet", 1, 15).goodAny(t, "numbers", page(kind("any")))
	numbers.at("data.0").has(t, "numbers", map[string]any{"dedicated_number": number, "country": "KE"})
	for path, field := range map[string]string{"/own-numbers": "own_numbers", "/alpha-tags": "alpha_tags"} {
		r := c.plain(t, "GET", path, "")
		body := read(t, r.Body)
		is := object("", map[string]shape{field: list(kind("any")), "_metadata": object("", map[string]shape{"pagination": object("self:text next:text? page_size:int")})})
		if wrong := is(body.v); wrong != "" || r.Status != http.StatusOK {
			t.Errorf("%s: %d %s: %s", path, r.Status, wrong, r.Body)
		}
	}
}

func clicksendOthers(t *testing.T, c *clicksend) {
	nobody := c.as("nobody", "nothing")
	countries := nobody.told(t, "CountriesApi.countriesGet", "List of Countries.", list(object("code,value:text")))
	countries.where("code", "KE").has(t, "countries", map[string]any{"value": "Kenya"})
	c.call(t, "GlobalSendingApi.listCountriesGet").goodAny(t, "country list", list(object("id:int name,code,region:text"))).where("code", "KE").has(t, "country list", map[string]any{"name": "Kenya"})
	zones := c.call(t, "TimezonesApi.timezonesGet", 1, 15).goodAny(t, "time zones", list(kind("text")))
	if !strings.Contains(zones.String(), "Africa/Nairobi") {
		t.Errorf("time zones: %.300s", zones)
	}
	count := object("count:int price:float")
	stats := c.call(t, "StatisticsApi.statisticsSmsGet").goodAny(t, "statistics", object("", map[string]shape{
		"total": object("", map[string]shape{"outbound": count, "inbound": kind("any"), "bounced": kind("any")}), "stats": list(object("date:time", map[string]shape{"outbound": kind("any"), "inbound": kind("any"), "bounced": kind("any")})), "_currency": currency,
	}))
	stored := c.counted(t)
	stats.has(t, "statistics", map[string]any{"total.outbound.count": stored.at("accepted")})
	if got := micros(t, stats.at("total.outbound.price").String()); got != stored.at("charged_micros").number() {
		t.Errorf("%d were paid, stored are %s", got, stored.at("charged_micros"))
	}
	media := model("MmsMessageCollection", map[string]any{"mediaFile": "https://example.com/cat.jpg", "messages": []any{model("MmsMessage", map[string]any{"to": "+254711000001", "subject": "A cat", "body": "Look"})}})
	c.refused(t, "MMSApi.mmsSendPost", http.StatusForbidden, "FORBIDDEN", media)
	voice := model("VoiceMessageCollection", map[string]any{"messages": []any{model("VoiceMessage", map[string]any{"to": "+254711000001", "body": "Hello", "voice": "female", "lang": "en-us"})}})
	c.refused(t, "VoiceApi.voiceSendPost", http.StatusForbidden, "FORBIDDEN", voice)
}

// clicksendErrors has the client reject with each status of the document.
func clicksendErrors(t *testing.T, c *clicksend) {
	c.refused(t, "SMSApi.smsSendPost", http.StatusBadRequest, "MISSING_REQUIRED_FIELDS", model("SmsMessageCollection", map[string]any{}))
	c.refused(t, "SMSApi.smsHistoryGet", http.StatusBadRequest, "BAD_REQUEST", "nonsense:1")
	c.as(c.username, "wrong").refused(t, "AccountApi.accountGet", http.StatusUnauthorized, "UNAUTHORIZED")
	reader := c.newKey(t, "messages:read")
	c.as(c.username, reader).refused(t, "SMSApi.smsSendPost", http.StatusForbidden, "FORBIDDEN", collection(sms("0701234567", "Hello")))
	c.refused(t, "UploadApi.uploadsPost", http.StatusNotFound, "NOT_FOUND", model("UploadFile", map[string]any{"content": "aGVsbG8="}), "csv")
	c.at("/sms/history?").refused(t, "SMSApi.smsCancelAllPut", http.StatusMethodNotAllowed, "METHODNOTALLOWED")
	for range 25 {
		r := c.call(t, "AccountApi.accountGet")
		if r.Status == http.StatusTooManyRequests {
			r.bad(t, "too often", http.StatusTooManyRequests, "HTTP_TOO_MANY_REQUESTS")
			if seconds := fmt.Sprint(r.Headers["retry-after"]); seconds == "" || seconds == "0" {
				t.Errorf("Retry-After is %q", seconds)
			}
			return
		}
	}
	t.Error("the account may be read as often as one likes")
}

// newKey makes a key that may do one thing.
func (c *clicksend) newKey(t *testing.T, scope string) string {
	t.Helper()
	var made struct{ Secret string }
	if err := c.native.Post(t.Context(), "/tidings/v1/keys", map[string]any{"name": scope, "scopes": []string{scope}}, &made); err != nil {
		t.Fatal(err)
	}
	return made.Secret
}
