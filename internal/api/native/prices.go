package native

import (
	"fmt"
	"net/http"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

func (s *server) priceOperations() []operation {
	return []operation{
		op[pricesInput, output[page[priceReply]]]("GET /prices", account.AccountRead, "listPrices", "List the prices that hold for the account; for the operator, the book", s.listPrices),
		op[input[pricesRequest], output[bookReply]]("PUT /prices", account.Operate, "setPrices", "Put prices into the book, all of them or none", s.setPrices).large(),
		op[priceInput, nothing]("DELETE /prices", account.Operate, "deletePrice", "Take a price out of the book", s.deletePrice).answers(204),
	}
}

// maxPrices is how many prices one request may bring.
const maxPrices = 10_000

// pricesInput documents which prices are listed.
type pricesInput struct {
	PageInput
	To       string `query:"to" doc:"Only the price that holds for this recipient: that of the longest prefix."`
	Account  string `query:"account" format:"uuid" doc:"Only this account's own prices; for the operator."`
	Currency string `query:"currency" doc:"Only prices in this currency; for the operator."`
}

// priceInput documents which price is taken out.
type priceInput struct {
	Prefix   string `query:"prefix" doc:"Empty: the price of everything else."`
	Currency string `query:"currency" required:"true"`
	Account  string `query:"account" format:"uuid" doc:"Whose price; without it, that of all accounts."`
}

// priceRequest is a price to set.
type priceRequest struct {
	Prefix   string `json:"prefix" maxLength:"15" doc:"First digits of numbers, without plus; empty: everything else." example:"2547"`
	Currency string `json:"currency" minLength:"3" maxLength:"3" example:"KES"`
	Amount   int64  `json:"amount_micros" minimum:"0" doc:"Of one part."`
	Account  string `json:"account_id,omitempty" format:"uuid" doc:"For this account alone; without it, for all accounts of the currency."`
}

// pricesRequest is a list of prices.
type pricesRequest struct {
	Prices []priceRequest `json:"prices" minItems:"1" maxItems:"10000" nullable:"false"`
}

// bookReply tells how many prices were taken over.
type bookReply struct {
	Set int `json:"set"`
}

// priceReply is a price of one part.
type priceReply struct {
	Prefix   string `json:"prefix"`
	Currency string `json:"currency"`
	Amount   int64  `json:"amount_micros"`
	Account  string `json:"account_id,omitempty" format:"uuid" doc:"Whose price it is; absent for that of all accounts."`
}

// listPrices lists prices by their prefix.
func (s *server) listPrices(w http.ResponseWriter, r *http.Request) error {
	c := api.CallerOf(r)
	q := queryOf(r)
	limit, to, whose, currency := q.limit(), q.address("to", c.Account.Region), queryID[account.Account](q, "account"), q.Get("currency")
	if (whose != 0 || currency != "") && !operates(r) {
		return fault.New(fault.ScopeMissing, "only the operator chooses whose prices are listed")
	}
	if q.err != nil {
		return q.err
	}
	var prices []wallet.Price
	var err error
	switch {
	case to.Value != "":
		prices = make([]wallet.Price, 1)
		prices[0], err = s.core.Wallet.PriceOf(r.Context(), c.Account.Payer(), to)
	case operates(r):
		prices, err = s.core.Wallet.Prices(r.Context())
	default:
		prices, err = s.core.Wallet.PricesFor(r.Context(), c.Account.Payer())
	}
	if err != nil {
		return err
	}
	prices = slices.DeleteFunc(prices, func(p wallet.Price) bool {
		return whose != 0 && p.Account != whose || currency != "" && p.Currency != currency
	})
	name := fmt.Sprint("prices ", to, " ", whose, " ", currency)
	return turn(s, w, r, name, func(after int64) (shown []priceReply, next int64, err error) {
		from := min(int(after), len(prices))
		rest := prices[from:]
		if len(rest) > limit {
			rest, next = rest[:limit], int64(from+limit)
		}
		shown = make([]priceReply, len(rest))
		for i, p := range rest {
			shown[i] = priceReply{p.Prefix, p.Currency, p.Amount, p.Account.String()}
		}
		return shown, next, nil
	})
}

// setPrices puts prices into the book: all of them, or none when one makes no sense.
func (s *server) setPrices(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[pricesRequest](r)
	if err != nil {
		return err
	}
	switch {
	case len(in.Prices) == 0:
		return fault.New(fault.MissingField, "a list has at least one price").In("prices")
	case len(in.Prices) > maxPrices:
		return fault.New(fault.TooManyItems, "%d prices; at most %d in one request", len(in.Prices), maxPrices).In("prices")
	}
	prices := make([]wallet.Price, len(in.Prices))
	for i, p := range in.Prices {
		field := fmt.Sprintf("prices[%d]", i)
		if p.Amount < 0 || len(p.Currency) != 3 {
			return fault.New(fault.InvalidField, "a price has a currency of three letters and an amount that is not below zero").In(field)
		}
		prices[i] = wallet.Price{Currency: p.Currency, Prefix: p.Prefix, Amount: p.Amount}
		if prices[i].Account, err = s.accountIn(r, p.Account, field+".account_id"); err != nil {
			return err
		}
	}
	by := api.CallerOf(r).By
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Wallet.SetPrices(tx, by, prices) }); err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, bookReply{len(prices)})
}

// accountIn reads the id of an account that is there; none when the text is empty.
func (s *server) accountIn(r *http.Request, text, field string) (account.ID, error) {
	if text == "" {
		return 0, nil
	}
	a, err := id.Parse[account.Account](text)
	if err != nil {
		return 0, fault.New(fault.InvalidField, "this is no id").In(field)
	}
	_, ok, err := s.core.Members.Get(r.Context(), a)
	if err == nil && !ok {
		err = fault.New(fault.InvalidField, "there is no account %s", a).In(field)
	}
	return a, err
}

// deletePrice takes a price out of the book.
func (s *server) deletePrice(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	gone := wallet.Price{Account: queryID[account.Account](q, "account"), Currency: q.Get("currency"), Prefix: q.Get("prefix"), Amount: -1}
	if q.err != nil {
		return q.err
	}
	if gone.Currency == "" {
		return fault.New(fault.MissingField, "a price has a currency").In("currency")
	}
	all, err := s.core.Wallet.Prices(r.Context())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(p wallet.Price) bool {
		return p.Account == gone.Account && p.Currency == gone.Currency && p.Prefix == gone.Prefix
	}) {
		return fault.New(fault.NotHere, "there is no such price")
	}
	by := api.CallerOf(r).By
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Wallet.SetPrices(tx, by, []wallet.Price{gone}) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
