package clicksend

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/member"
	"tidings.dev/internal/store"
)

// subaccountOperations are about the accounts below the caller's.
func (s *server) subaccountOperations() []api.Operation {
	example := subaccountView{ID: 59, Username: "shop", Email: "shop@example.com", Phone: "+61411111111", FirstName: "John", LastName: "Doe", Key: hiddenKey, access: fullAccess}
	wanted := subaccountRequest{Username: "shop", Password: "a good password", Email: "shop@example.com", Phone: "+61411111111", FirstName: "John", LastName: "Doe"}
	guard := func(h api.Handler) api.Handler { return s.guarded(account.Admin, h) }
	return []api.Operation{
		{
			Pattern: "GET /v3/subaccounts", ID: "readSubaccounts", Summary: "List the subaccounts", Query: searchQuery{}, Handler: guard(s.readSubaccounts),
			Replies: []api.Example{done("SUCCESS", page[subaccountView]{Data: []subaccountView{example}})},
		},
		{
			Pattern: "POST /v3/subaccounts", ID: "createSubaccount", Summary: "Make a subaccount, whose key is shown this once", Sends: true, Body: subaccountRequest{}, Example: wanted,
			Handler: guard(s.createSubaccount), Replies: []api.Example{done("New account has been created.", example)},
		},
		{
			Pattern: "GET /v3/subaccounts/{subaccount_id}", ID: "readSubaccount", Summary: "Read a subaccount", Handler: guard(s.readSubaccount),
			Replies: []api.Example{done("Here are your data.", example)},
		},
		{
			Pattern: "PUT /v3/subaccounts/{subaccount_id}", ID: "changeSubaccount", Summary: "Change a subaccount", Body: subaccountRequest{}, Example: wanted,
			Handler: guard(s.changeSubaccount), Replies: []api.Example{done("Subaccount #59 has been updated.", example)},
		},
		{
			Pattern: "DELETE /v3/subaccounts/{subaccount_id}", ID: "deleteSubaccount", Summary: "Close a subaccount", Handler: guard(s.deleteSubaccount),
			Replies: []api.Example{done("Subaccount #59 has been deleted", true)},
		},
		{
			Pattern: "PUT /v3/subaccounts/{subaccount_id}/regen-api-key", ID: "renewKey", Summary: "Give a subaccount another key; the one before dies at once",
			Handler: guard(s.renewKey), Replies: []api.Example{done("Your API Key has been regenerated.", keyView{"td_live_..."})},
		},
	}
}

// access is what a subaccount may do: 0 or 1 each.
type access struct {
	Users     int `json:"access_users"`
	Billing   int `json:"access_billing"`
	Reporting int `json:"access_reporting"`
	Contacts  int `json:"access_contacts"`
	Settings  int `json:"access_settings"`
	SMS       int `json:"access_sms"`
	Email     int `json:"access_email"`
	Voice     int `json:"access_voice"`
	Fax       int `json:"access_fax"`
	Post      int `json:"access_post"`
	Reseller  int `json:"access_reseller"`
	MMS       int `json:"access_mms"`
	Share     int `json:"share_campaigns"`
}

var fullAccess = accessOf(0)

// accessOf tells the rights as the surface does.
func accessOf(d account.Denied) access {
	has := func(r account.Right) int { return flag(!d.Has(r)) }
	return access{
		has(account.AccessUsers), has(account.AccessBilling), has(account.AccessReporting), has(account.AccessContacts), has(account.AccessSettings), has(account.AccessSMS),
		has(account.AccessEmail), has(account.AccessVoice), has(account.AccessFax), has(account.AccessPost), has(account.AccessReseller), has(account.AccessMMS),
		has(account.ShareCampaigns),
	}
}

// subaccountRequest is a subaccount to make, or what changes of one: what is absent or empty stays.
type subaccountRequest struct {
	Username  api.Text `json:"api_username,omitempty"`
	Password  api.Text `json:"password,omitempty"`
	Email     api.Text `json:"email,omitempty"`
	Phone     api.Text `json:"phone_number,omitempty"`
	FirstName api.Text `json:"first_name,omitempty"`
	LastName  api.Text `json:"last_name,omitempty"`
	Users     api.Text `json:"access_users,omitempty" doc:"0 or 1, as those below; without it 1."`
	Billing   api.Text `json:"access_billing,omitempty"`
	Reporting api.Text `json:"access_reporting,omitempty"`
	Contacts  api.Text `json:"access_contacts,omitempty"`
	Settings  api.Text `json:"access_settings,omitempty"`
	SMS       api.Text `json:"access_sms,omitempty"`
	EmailTo   api.Text `json:"access_email,omitempty"`
	Voice     api.Text `json:"access_voice,omitempty"`
	Fax       api.Text `json:"access_fax,omitempty"`
	Post      api.Text `json:"access_post,omitempty"`
	Reseller  api.Text `json:"access_reseller,omitempty"`
	MMS       api.Text `json:"access_mms,omitempty"`
	Share     api.Text `json:"share_campaigns,omitempty"`
	Notes     api.Text `json:"notes,omitempty"`
}

// denied are the rights that the request takes away or gives, over those that are denied already.
func (in *subaccountRequest) denied(d account.Denied) (account.Denied, error) {
	for _, a := range []struct {
		right account.Right
		text  api.Text
		name  string
	}{
		{account.AccessUsers, in.Users, "access_users"},
		{account.AccessBilling, in.Billing, "access_billing"},
		{account.AccessReporting, in.Reporting, "access_reporting"},
		{account.AccessContacts, in.Contacts, "access_contacts"},
		{account.AccessSettings, in.Settings, "access_settings"},
		{account.AccessSMS, in.SMS, "access_sms"},
		{account.AccessEmail, in.EmailTo, "access_email"},
		{account.AccessVoice, in.Voice, "access_voice"},
		{account.AccessFax, in.Fax, "access_fax"},
		{account.AccessPost, in.Post, "access_post"},
		{account.AccessReseller, in.Reseller, "access_reseller"},
		{account.AccessMMS, in.MMS, "access_mms"},
		{account.ShareCampaigns, in.Share, "share_campaigns"},
	} {
		switch a.text {
		case "":
		case "0", "false":
			d = d.With(a.right, true)
		case "1", "true":
			d = d.With(a.right, false)
		default:
			return d, fault.New(fault.InvalidField, "the field %s is 0 or 1", a.name).In(a.name)
		}
	}
	return d, nil
}

// profile is what the request says of who is behind the account.
func (in *subaccountRequest) profile() (c member.ProfileChange) {
	for _, f := range []struct {
		into *(*string)
		text api.Text
	}{{&c.Email, in.Email}, {&c.Phone, in.Phone}, {&c.FirstName, in.FirstName}, {&c.LastName, in.LastName}, {&c.Notes, in.Notes}} {
		if f.text != "" {
			text := string(f.text)
			*f.into = &text
		}
	}
	return c
}

// lacking is the first field that a new subaccount must have and the request has not.
func (in *subaccountRequest) lacking() error {
	for _, f := range []struct {
		text api.Text
		name string
	}{{in.Username, "api_username"}, {in.Password, "password"}, {in.Email, "email"}, {in.Phone, "phone_number"}, {in.FirstName, "first_name"}, {in.LastName, "last_name"}} {
		if f.text == "" {
			return required(f.name)
		}
	}
	return nil
}

// subaccountView is a subaccount as the surface shows it.
type subaccountView struct {
	ID        int    `json:"subaccount_id"`
	Username  string `json:"api_username"`
	Email     string `json:"email"`
	Phone     string `json:"phone_number"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Key       string `json:"api_key" doc:"Shown when the subaccount is made, and never again."`
	access
	Notes *string `json:"notes"`
}

// hiddenKey stands for a key, which is stored nowhere.
const hiddenKey = "********-****-****-****-************"

func showSubaccount(a *account.Account, p member.Profile, apiKey string) subaccountView {
	return subaccountView{a.Number, a.Username, p.Email, p.Phone, p.FirstName, p.LastName, apiKey, accessOf(a.Denied), orNull(p.Notes)}
}

// keyView is a key that is shown this once.
type keyView struct {
	Key string `json:"api_key"`
}

// shownOnce is a reply with a key in it: a repeat is told that the account is there.
type shownOnce struct {
	envelope[subaccountView]
	made string
}

// Made implements api.ShownOnce.
func (s shownOnce) Made() string { return s.made }

// subaccount is the subaccount of the path.
func (s *server) subaccount(r *http.Request) (member.Subaccount, error) {
	a, ok, err := s.core.Members.SubaccountNumbered(r.Context(), api.CallerOf(r).Account.ID, pathNumber(r, "subaccount_id"))
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no such subaccount")
	}
	return a, err
}

func (s *server) readSubaccounts(w http.ResponseWriter, r *http.Request) error {
	want, err := parseSearch(r, member.SubaccountFields, member.SubaccountFields)
	if err != nil {
		return err
	}
	p := s.paging(r)
	q := member.Query{Any: want.Any, Order: want.Order, Descending: want.Descending, Offset: p.Offset(), Limit: p.Size}
	for _, t := range want.Terms {
		q.Terms = append(q.Terms, member.Term{Field: t.Field, Value: t.Value})
	}
	list, total, err := s.core.Members.Subaccounts(r.Context(), api.CallerOf(r).Account, q)
	if err != nil {
		return err
	}
	rows := make([]subaccountView, len(list))
	for i := range list {
		rows[i] = showSubaccount(&list[i].Account, list[i].Profile, hiddenKey)
	}
	return answer(w, "SUCCESS", newPage(p, total, rows))
}

// mainKey is the key that a subaccount is given.
func mainKey(a account.ID, by account.Key) key.Key {
	return key.Key{Account: a, Name: key.Main, Test: by.Test, Scopes: account.Scopes{account.Admin}}
}

// createSubaccount makes a subaccount that spends its parent's money, as all do there, and its key.
func (s *server) createSubaccount(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[subaccountRequest](r)
	if err != nil {
		return err
	}
	if err := in.lacking(); err != nil {
		return err
	}
	c := api.CallerOf(r)
	parent := c.Account
	wanted := account.Account{
		Name: strings.TrimSpace(string(in.FirstName + " " + in.LastName)), Region: parent.Region, Currency: parent.Currency, Parent: parent.ID, ParentPays: true,
	}
	if wanted.Denied, err = in.denied(account.Denied(0).With(account.ShareCampaigns, true)); err != nil {
		return err
	}
	full := mainKey(0, c.Key)
	if err := api.MayGive(c, &full); err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		a, err := s.core.Members.Create(tx, c.By, wanted, string(in.Username), string(in.Password))
		if err != nil {
			return nil, err
		}
		if a, err = s.core.Members.Change(tx, c.By, a.ID, member.Change{Profile: in.profile()}); err != nil {
			return nil, err
		}
		if err := s.core.Wallet.Open(tx, a.ID, a.Currency); err != nil {
			return nil, err
		}
		made, err := s.core.Keys.Renew(tx, c.By, mainKey(a.ID, c.Key))
		if err != nil {
			return nil, err
		}
		p, err := member.ProfileIn(tx, a.ID)
		return shownOnce{success("New account has been created.", showSubaccount(&a, p, made.Secret)), strconv.Itoa(a.Number)}, err
	})
}

func (s *server) readSubaccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.subaccount(r)
	if err != nil {
		return err
	}
	return answer(w, "Here are your data.", showSubaccount(&a.Account, a.Profile, hiddenKey))
}

func (s *server) changeSubaccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.subaccount(r)
	if err != nil {
		return err
	}
	in, err := api.DecodeLenient[subaccountRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	change := member.Change{Profile: in.profile()}
	denied, err := in.denied(a.Denied)
	if err != nil {
		return err
	}
	if denied != a.Denied {
		change.Denied = &denied
	}
	if in.Username != "" {
		name := string(in.Username)
		change.Username = &name
	}
	if in.Password != "" {
		full := mainKey(a.ID, c.Key)
		if err := api.MayGive(c, &full); err != nil {
			return err
		}
		secret := string(in.Password)
		change.Password = &secret
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		if a.Account, err = s.core.Members.Change(tx, c.By, a.ID, change); err == nil {
			a.Profile, err = member.ProfileIn(tx, a.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("Subaccount #%d has been updated.", a.Number), showSubaccount(&a.Account, a.Profile, hiddenKey))
}

// deleteSubaccount closes a subaccount: its keys work no more, and what waits is still sent.
func (s *server) deleteSubaccount(w http.ResponseWriter, r *http.Request) error {
	a, err := s.subaccount(r)
	if err != nil {
		return err
	}
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Members.Close(tx, api.CallerOf(r).By, a.ID) }); err != nil {
		return err
	}
	return answer(w, fmt.Sprintf("Subaccount #%d has been deleted", a.Number), true)
}

func (s *server) renewKey(w http.ResponseWriter, r *http.Request) error {
	a, err := s.subaccount(r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	var secret string
	err = s.core.Store.Write(func(tx *store.Tx) error {
		wish := mainKey(a.ID, c.Key)
		old, there, err := s.core.Keys.Named(tx, a.ID, key.Main)
		if err != nil {
			return err
		}
		if !there {
			old = wish
		}
		if err := api.MayGive(c, &old); err != nil {
			return err
		}
		made, err := s.core.Keys.Renew(tx, c.By, wish)
		secret = made.Secret
		return err
	})
	if err != nil {
		return err
	}
	return answer(w, "Your API Key has been regenerated.", keyView{secret})
}
