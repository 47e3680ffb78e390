package clicksend

import (
	"cmp"
	"fmt"
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/member"
)

// accountOperations are about the caller's account.
func (s *server) accountOperations() []api.Operation {
	example := accountView{
		UserID: 1, Username: "johndoe", Email: "john@example.com", Active: 1, Balance: orNull("4.998000"), ReplyTo: "originalemail", Name: "Awesome",
		Country: "AU", DefaultCountry: "AU", Recharge: "0.00", LowCredit: "0.00", CharLimit: 8, Commission: "0.000000", Timezone: "UTC", Currency: currencyOf("AUD"),
		Subaccount: subaccountView{ID: 1, Username: "johndoe", Key: hiddenKey, access: fullAccess},
	}
	return []api.Operation{{
		Pattern: "GET /v3/account", ID: "readAccount", Summary: "Read the account", Handler: s.counted(s.guarded(account.AccountRead, s.readAccount)),
		Replies: []api.Example{done("Here's your account.", example)},
	}}
}

// accountView is the caller's account as the surface shows it. What the original lets one set and there is no such thing of here is off.
type accountView struct {
	UserID         int            `json:"user_id"`
	Username       string         `json:"username"`
	Email          string         `json:"user_email"`
	Active         int            `json:"active"`
	Banned         int            `json:"banned"`
	Balance        *string        `json:"balance" doc:"Null for a subaccount that has no access to billing."`
	Phone          string         `json:"user_phone"`
	ReplyTo        string         `json:"reply_to"`
	DeliveryTo     *string        `json:"delivery_to"`
	FirstName      string         `json:"user_first_name"`
	LastName       string         `json:"user_last_name"`
	Account        int            `json:"account"`
	Name           string         `json:"account_name"`
	BillingEmail   string         `json:"account_billing_email"`
	BillingMobile  string         `json:"account_billing_mobile"`
	Country        string         `json:"country"`
	DefaultCountry string         `json:"default_country_sms"`
	AutoRecharge   int            `json:"auto_recharge"`
	Recharge       string         `json:"auto_recharge_amount"`
	LowCredit      string         `json:"low_credit_amount"`
	Unicode        int            `json:"setting_unicode_sms"`
	EmailSubject   int            `json:"setting_email_sms_subject"`
	FixSender      int            `json:"setting_fix_sender_id"`
	CharLimit      int            `json:"setting_sms_message_char_limit" doc:"Most parts of a message."`
	OldDashboard   int            `json:"old_dashboard"`
	Commission     string         `json:"balance_commission"`
	Timezone       string         `json:"timezone"`
	Currency       currency       `json:"_currency"`
	Subaccount     subaccountView `json:"_subaccount"`
}

const networkParts = 255 // of one message, that any network joins

func (s *server) readAccount(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	p, err := s.profile(r, &a)
	if err != nil {
		return err
	}
	rules, _, err := s.core.Policies.Get(r.Context(), &a)
	if err != nil {
		return err
	}
	view := accountView{
		UserID: a.Number, Username: a.Username, Email: p.Email, Active: flag(a.Active), Banned: flag(!a.Active), Phone: p.Phone, ReplyTo: "originalemail",
		FirstName: p.FirstName, LastName: p.LastName, Name: a.Name, BillingEmail: p.Email, BillingMobile: p.Phone, Country: a.Region,
		DefaultCountry: a.Region, Recharge: "0.00", LowCredit: "0.00", CharLimit: cmp.Or(rules.MaxParts, networkParts), Commission: "0.000000", Timezone: "UTC",
		Currency: currencyOf(a.Currency), Subaccount: showSubaccount(&a, p, hiddenKey),
	}
	if !a.Denied.Has(account.AccessBilling) {
		b, err := s.core.Wallet.Balance(r.Context(), a.Payer())
		if err != nil {
			return err
		}
		view.Balance, view.Currency = orNull(sixDigits(b.Available)), currencyOf(b.Currency)
		if b.LowAt > 0 {
			view.LowCredit = fmt.Sprintf("%.2f", money(b.LowAt))
		}
	}
	return answer(w, "Here's your account.", view)
}

// sixDigits is an amount with all its digits.
func sixDigits(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return fmt.Sprintf("%s%d.%06d", sign, micros/microsOfOne, micros%microsOfOne)
}

// profile is who is behind an account: as its parent was told, else who first signed in to it.
func (s *server) profile(r *http.Request, a *account.Account) (member.Profile, error) {
	p, err := s.core.Members.Profile(r.Context(), a.ID)
	if err != nil || p.Email != "" {
		return p, err
	}
	first, err := s.core.Members.FirstUser(r.Context(), *a)
	if err != nil && !fault.Is(err, fault.NotHere) {
		return p, err
	}
	p.Email, p.FirstName = first.Email, cmp.Or(p.FirstName, first.Name)
	return p, nil
}
