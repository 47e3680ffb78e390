package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

func (s *server) accountOperations() []operation {
	return []operation{
		op[noInput, output[accountReply]]("GET /account", account.AccountRead, "readAccount", "Read the account, its wallet and defaults", s.readAccount),
	}
}

// accountReply is the caller's account.
type accountReply struct {
	ID       string       `json:"id" format:"uuid"`
	Name     string       `json:"name"`
	Parent   string       `json:"parent_id,omitempty" format:"uuid" doc:"The account it is a subaccount of."`
	Region   string       `json:"region" doc:"The country whose national numbers it may write." example:"KE"`
	Currency string       `json:"currency" example:"KES"`
	Wallet   *walletReply `json:"wallet,omitempty" doc:"Absent for an account without one."`
	Defaults defaultReply `json:"defaults"`
	Key      usedKeyReply `json:"key"`
}

// walletReply is money in millionths of the currency.
type walletReply struct {
	Currency    string `json:"currency"`
	Available   int64  `json:"available_micros" doc:"May be spent."`
	Held        int64  `json:"held_micros" doc:"For messages whose outcome is open."`
	Charged     int64  `json:"charged_micros" doc:"For messages that a network took."`
	CreditLimit int64  `json:"credit_limit_micros" doc:"How far available may go below zero."`
}

// defaultReply names the channels that carry messages which name none.
type defaultReply struct {
	SMS      *string `json:"sms" format:"uuid" nullable:"true"`
	WhatsApp *string `json:"whatsapp" format:"uuid" nullable:"true"`
}

// usedKeyReply is the key of the request.
type usedKeyReply struct {
	ID     string   `json:"id" format:"uuid"`
	Test   bool     `json:"test"`
	Scopes []string `json:"scopes" nullable:"false"`
}

// readAccount tells who the caller is and what they have.
func (s *server) readAccount(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	a := accountReply{
		ID: c.Account.ID.String(), Name: c.Account.Name, Parent: c.Account.Parent.String(), Region: c.Account.Region, Currency: c.Account.Currency,
		Key: usedKeyReply{c.Key.ID.String(), c.Key.Test, texts(c.Key.Scopes)},
	}
	b, err := s.core.Wallet.Balance(r.Context(), c.Account.ID)
	if err != nil && !fault.Is(err, fault.NotHere) {
		return err
	}
	if err == nil {
		a.Wallet = &walletReply{b.Currency, b.Available, b.Held, b.Charged, b.CreditLimit}
	}
	for kind, place := range map[message.Kind]**string{message.SMS: &a.Defaults.SMS, message.WhatsApp: &a.Defaults.WhatsApp} {
		list, err := s.core.Routes.Defaults(r.Context(), c.Account.ID, kind)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			text := list[0].String()
			*place = &text
		}
	}
	return api.Reply(w, http.StatusOK, a)
}

// texts are words as plain strings.
func texts[T ~string](words []T) []string {
	plain := make([]string, len(words))
	for i, w := range words {
		plain[i] = string(w)
	}
	return plain
}

// healthReply is what the health checks say.
type healthReply struct {
	Status string            `json:"status" enum:"ok,failed"`
	Checks map[string]string `json:"checks"`
}
