package journey

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidings.dev/test/foreign"
	"tidings.dev/test/product"
)

// clicksend is the npm package of that name at work, as it is, for one user of a sandbox.
type clicksend struct {
	*sandbox
	native   *product.Client // of the same account
	username string
	key      string
	under    string // what follows the base path

	calls   io.Writer
	replies *bufio.Scanner
	seen    map[string]bool // the paths that were called, as METHOD path
}

// beginClicksend starts the package for the sandbox's first account.
func beginClicksend(t *testing.T, s *sandbox) *clicksend {
	t.Helper()
	program := foreign.Node(t, "clicksend.mjs", s.URL+"/v3")
	program.Stderr = os.Stderr
	calls, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		calls.Close()
		if err := program.Wait(); err != nil {
			t.Error(err)
		}
	})
	replies := bufio.NewScanner(output)
	replies.Buffer(nil, 16<<20)
	return &clicksend{sandbox: s, native: s.client(0), username: s.Accounts[0].Username, key: s.Accounts[0].APIKey, calls: calls, replies: replies, seen: map[string]bool{}}
}

// as is the same program for another user, or for another secret.
func (c *clicksend) as(username, key string) *clicksend {
	other := *c
	other.username, other.key = username, key
	return &other
}

// at is the same program with a base path that goes on so.
func (c *clicksend) at(under string) *clicksend {
	other := *c
	other.under = under
	return &other
}

// model is an object of a class of the package.
func model(name string, properties map[string]any) any {
	return map[string]any{"model": name, "of": properties}
}

// reply is what came of a call.
type reply struct {
	Resolved bool            `json:"resolved"`
	Status   int             `json:"status"`
	Headers  map[string]any  `json:"headers"`
	Body     json.RawMessage `json:"body"`
	Error    string          `json:"error"`
}

// call makes a call of the package: "SMSApi.smsSendPost".
func (c *clicksend) call(t *testing.T, method string, args ...any) reply {
	t.Helper()
	api, name, _ := strings.Cut(method, ".")
	line, err := json.Marshal(map[string]any{"api": api, "method": name, "args": append([]any{}, args...), "username": c.username, "key": c.key, "under": c.under})
	if err == nil {
		_, err = c.calls.Write(append(line, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if !c.replies.Scan() || json.Unmarshal(c.replies.Bytes(), &r) != nil || r.Error != "" {
		t.Fatalf("%s: %v %s", method, c.replies.Err(), c.replies.Bytes())
	}
	c.seen[method] = true
	return r
}

// plain makes a request for which the package has no method.
func (c *clicksend) plain(t *testing.T, method, path, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL+"/v3"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.username, c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	c.seen[method+" "+path] = true
	return reply{Resolved: resp.StatusCode/100 == 2, Status: resp.StatusCode, Headers: map[string]any{"content-type": resp.Header.Get("Content-Type")}, Body: text}
}

// told makes a call that must succeed with these words and with data of the shape, and returns the data.
func (c *clicksend) told(t *testing.T, method, said string, is shape, args ...any) value {
	t.Helper()
	return c.call(t, method, args...).good(t, method, said, is)
}

func (r reply) good(t *testing.T, what, said string, is shape) value {
	t.Helper()
	if !r.Resolved || r.Status != http.StatusOK || !strings.HasPrefix(fmt.Sprint(r.Headers["content-type"]), "application/json") {
		t.Fatalf("%s: %d %v %s", what, r.Status, r.Headers["content-type"], r.Body)
	}
	body := read(t, r.Body)
	if wrong := object("http_code:int response_code,response_msg:text", map[string]shape{"data": is})(body.v); wrong != "" {
		t.Errorf("%s: %s\n%.2000s", what, wrong, r.Body)
	}
	body.has(t, what, map[string]any{"http_code": 200, "response_code": "SUCCESS", "response_msg": said})
	return body.at("data")
}

// refused makes a call that the package must reject with this status and code, in the envelope of errors.
func (c *clicksend) refused(t *testing.T, method string, status int, code string, args ...any) reply {
	t.Helper()
	r := c.call(t, method, args...)
	r.bad(t, method, status, code)
	return r
}

func (r reply) bad(t *testing.T, what string, status int, code string) {
	t.Helper()
	if r.Resolved || r.Status != status {
		t.Fatalf("%s: %d %s, not %d", what, r.Status, r.Body, status)
	}
	body := read(t, r.Body)
	is := object("http_code:int response_code,response_msg:text data:null")
	if status == http.StatusUnauthorized {
		is = object("http_code:int response_code,response_msg:text data:null", map[string]shape{"details": list(object("field,reason:text"))})
	}
	if wrong := is(body.v); wrong != "" {
		t.Errorf("%s: %s\n%s", what, wrong, r.Body)
	}
	body.has(t, what, map[string]any{"http_code": status, "response_code": code})
}

// stored reads something of the account's through the native API.
func (c *clicksend) stored(t *testing.T, path string) value {
	t.Helper()
	return readStored(t, c.native, path)
}

// account is what the operator knows of an account.
func (c *clicksend) account(t *testing.T, id string) value {
	t.Helper()
	return readStored(t, c.native.With(c.Operator.APIKey), "accounts/"+id)
}

func readStored(t *testing.T, by *product.Client, path string) value {
	t.Helper()
	status, text, err := by.Do(t.Context(), http.MethodGet, "/tidings/v1/"+path, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d %s, %v", path, status, text, err)
	}
	return read(t, text)
}

// micros is a text with decimals in millionths.
func micros(t *testing.T, decimal string) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(decimal, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// page is a page of rows, whose numbers fit each other. Some lists tell more of their pages than others.
func page(row shape) shape {
	return paged(object("total,per_page,current_page,last_page:int next_page_url,prev_page_url:text? from,to:int?", map[string]shape{"data": list(row)}))
}

func widePage(row shape) shape {
	links := list(object("url:text? label:text active:bool"))
	return paged(object("total,per_page,current_page,last_page:int next_page_url,prev_page_url:text? from,to:int? first_page_url,last_page_url,path:text",
		map[string]shape{"data": list(row), "links": links}))
}

func paged(is shape) shape {
	return func(v any) string {
		if wrong := is(v); wrong != "" {
			return wrong
		}
		p := value{v}
		total, size, rows := p.at("total").number(), p.at("per_page").number(), int64(len(p.at("data").each()))
		first := (p.at("current_page").number()-1)*size + 1
		if rows == 0 && (p.at("from").v != nil || p.at("to").v != nil) || rows > 0 && (p.at("from").number() != first || p.at("to").number() != first+rows-1) ||
			p.at("last_page").number() != (total+size-1)/size || rows > size || (p.at("next_page_url").v == nil) != (p.at("current_page").number() >= p.at("last_page").number()) {
			return fmt.Sprintf(" is a page whose numbers do not fit %d rows: total %s, per_page %s, current_page %s, last_page %s, from %s, to %s, next_page_url %s", rows,
				p.at("total"), p.at("per_page"), p.at("current_page"), p.at("last_page"), p.at("from"), p.at("to"), p.at("next_page_url"))
		}
		return ""
	}
}

// currency is _currency.
var currency = object("currency_name_short,currency_prefix_d,currency_prefix_c,currency_name_long:text min_recharge_amount,max_recharge_amount:money")

// TestTheNPMClient makes every call of the API by the public client of it, as npm has it. Each reply is compared with the contract's types,
// and with what is stored, as the native API shows it.
func TestTheNPMClient(t *testing.T) { //nolint:tparallel // its chapters follow each other
	t.Parallel()
	c := beginClicksend(t, own(t, t.TempDir(), fresh(t)))
	for _, chapter := range []struct {
		name string
		tell func(t *testing.T, c *clicksend)
	}{
		{"rules", clicksendRules},
		{"templates", clicksendTemplates},
		{"lists", clicksendLists},
		{"contacts", clicksendContacts},
		{"search", clicksendSearch},
		{"messages", clicksendMessages},
		{"scheduled", clicksendScheduled},
		{"receipts", clicksendReceipts},
		{"inbound", clicksendInbound},
		{"posts", clicksendPosts},
		{"issues", clicksendIssues},
		{"account", clicksendAccount},
		{"subaccounts", clicksendSubaccounts},
		{"numbers", clicksendNumbers},
		{"others", clicksendOthers},
		{"errors", clicksendErrors},
	} {
		t.Run(chapter.name, func(t *testing.T) { chapter.tell(t, c) })
	}
	for _, call := range clicksendCalls {
		if !c.seen[call] {
			t.Errorf("%s was not called", call)
		}
	}
	if len(c.seen) < len(clicksendCalls) {
		t.Errorf("only %s", slices.Sorted(maps.Keys(c.seen)))
	}
}

// clicksendCalls are what the contract lists, by the client's methods; what the client has none for, by the request.
var clicksendCalls = []string{
	"SMSApi.smsSendPost", "SMSApi.smsPricePost", "SMSApi.smsHistoryGet", "SMSApi.smsHistoryExportGet",
	"SMSApi.smsReceiptsGet", "SMSApi.smsReceiptsPost", "SMSApi.smsReceiptsByMessageIdGet", "SMSApi.smsReceiptsReadPut",
	"SMSApi.smsInboundGet", "SMSApi.smsInboundPost", "GET /sms/inbound/{original_message_id}", "SMSApi.smsInboundReadPut", "SMSApi.smsInboundReadByMessageIdPut",
	"SMSApi.smsCancelByMessageIdPut", "SMSApi.smsCancelAllPut",
	"SMSApi.smsTemplatesGet", "SMSApi.smsTemplatesPost", "GET /sms/templates/{template_id}", "SMSApi.smsTemplatesByTemplateIdPut", "SMSApi.smsTemplatesByTemplateIdDelete",
	"AccountApi.accountGet", "AccountApi.accountUseageBySubaccountGet",
	"SubaccountApi.subaccountsGet", "SubaccountApi.subaccountsPost", "SubaccountApi.subaccountsBySubaccountIdGet", "SubaccountApi.subaccountsBySubaccountIdPut",
	"SubaccountApi.subaccountsBySubaccountIdDelete", "SubaccountApi.subaccountsRegenApiKeyBySubaccountIdPut",
	"ContactListApi.listsGet", "ContactListApi.listsPost", "ContactListApi.listsByListIdGet", "ContactListApi.listsByListIdPut", "ContactListApi.listsByListIdDelete",
	"ContactListApi.listsImportByListIdPost", "ContactListApi.listsRemoveDuplicatesByListIdPut",
	"ContactApi.listsContactsByListIdGet", "ContactApi.listsContactsByListIdPost", "ContactApi.listsContactsByListIdAndContactIdGet",
	"ContactApi.listsContactsByListIdAndContactIdPut", "ContactApi.listsContactsByListIdAndContactIdDelete", "ContactApi.listsCopyContactPut",
	"ContactApi.listsTransferContactPut", "ContactApi.listsRemoveOptedOutContactsByListIdAndOptOutListIdPut", "SearchApi.searchContactsListsGet",
	"InboundSMSRulesApi.smsInboundAutomationsGet", "InboundSMSRulesApi.smsInboundAutomationPost", "InboundSMSRulesApi.smsInboundAutomationGet",
	"InboundSMSRulesApi.smsInboundAutomationPut", "InboundSMSRulesApi.smsInboundAutomationDelete",
	"SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationsGet", "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPost",
	"SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationGet", "SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationPut",
	"SMSDeliveryReceiptRulesApi.smsDeliveryReceiptAutomationDelete",
	"CountriesApi.countriesGet", "GlobalSendingApi.listCountriesGet", "TimezonesApi.timezonesGet", "StatisticsApi.statisticsSmsGet",
	"DeliveryIssuesApi.deliveryIssuesGet", "DeliveryIssuesApi.deliveryIssuesPost", "NumberApi.numbersGet", "GET /own-numbers", "GET /alpha-tags",
	"MMSApi.mmsSendPost", "VoiceApi.voiceSendPost",
}
