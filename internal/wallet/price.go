package wallet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// maxPrefix is the most digits a prefix may have: an international number has no more (ITU-T E.164, 6.2.1).
const maxPrefix = 15

// Price is what one part to numbers with a prefix costs.
type Price struct {
	Account  account.ID // zero: every account of the currency
	Currency string
	Prefix   string // digits without a plus; empty: everything else, and what is no phone
	Amount   int64  // micro-units; below zero: no price any more
}

// priceBook is the prices and who pays in what.
type priceBook struct {
	currency map[account.ID]string
	lists    map[listKey]priceList
}

type listKey struct {
	account  account.ID
	currency string
}

// priceList maps a prefix to its price.
type priceList map[string]int64

// longest is the longest prefix of the digits that has a price, and the price.
func (l priceList) longest(digits string) (prefix string, amount int64, ok bool) {
	if len(l) == 0 {
		return "", 0, false
	}
	for n := min(len(digits), maxPrefix); n >= 0; n-- {
		if amount, ok := l[digits[:n]]; ok {
			return digits[:n], amount, true
		}
	}
	return "", 0, false
}

func loadBook(ctx context.Context, q store.Queryer) (*priceBook, error) {
	prices, err := on(q).Prices(ctx)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	wallets, err := on(q).Wallets(ctx)
	if err != nil {
		return nil, fmt.Errorf("read wallets: %w", err)
	}
	b := &priceBook{currency: map[account.ID]string{}, lists: map[listKey]priceList{}}
	for _, w := range wallets {
		b.currency[w.AccountID] = w.Currency
	}
	for _, p := range prices {
		key := listKey{p.AccountID, p.Currency}
		if b.lists[key] == nil {
			b.lists[key] = priceList{}
		}
		b.lists[key][p.Prefix] = p.Amount
	}
	return b, nil
}

// Quote returns what one part to the address costs the account: by its own list, else by that of all accounts, the longest
// prefix in each. Without any list for the account everything is free.
func (k *Keeper) Quote(ctx context.Context, a account.ID, to message.Address) (int64, error) {
	p, err := k.PriceOf(ctx, a, to)
	return p.Amount, err
}

// PriceOf is Quote with the price that holds.
func (k *Keeper) PriceOf(ctx context.Context, a account.ID, to message.Address) (Price, error) {
	b, err := k.book.Get(ctx)
	if err != nil {
		return Price{}, err
	}
	currency, ok := b.currency[a]
	if !ok && len(b.lists) > 0 {
		return Price{}, noWallet(a)
	}
	digits := ""
	if to.Kind == message.Phone {
		digits = strings.TrimPrefix(to.Value, "+")
	}
	own, general := b.lists[listKey{a, currency}], b.lists[listKey{0, currency}]
	if prefix, amount, ok := own.longest(digits); ok {
		return Price{a, currency, prefix, amount}, nil
	}
	if prefix, amount, ok := general.longest(digits); ok {
		return Price{0, currency, prefix, amount}, nil
	}
	if len(own)+len(general) == 0 {
		return Price{Currency: currency}, nil
	}
	return Price{}, fault.New(fault.NoPrice, "no price in %s covers this recipient", currency)
}

// PricesFor lists the prices that hold for an account, by prefix: its own, and of those for all accounts what its own leave.
func (k *Keeper) PricesFor(ctx context.Context, a account.ID) ([]Price, error) {
	b, err := k.book.Get(ctx)
	if err != nil {
		return nil, err
	}
	currency := b.currency[a]
	own := b.lists[listKey{a, currency}]
	var prices []Price
	for prefix, amount := range own {
		prices = append(prices, Price{a, currency, prefix, amount})
	}
	for prefix, amount := range b.lists[listKey{0, currency}] {
		if _, _, covered := own.longest(prefix); !covered {
			prices = append(prices, Price{0, currency, prefix, amount})
		}
	}
	slices.SortFunc(prices, func(a, b Price) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return prices, nil
}

// SetPrices puts prices into the book; one below zero takes its prefix out. What is accepted already keeps its price.
func (k *Keeper) SetPrices(tx *store.Tx, by audit.Actor, prices []Price) error {
	var put []putPriceParams
	var drop []dropPriceParams
	if err := checkPrices(prices); err != nil {
		return err
	}
	for _, p := range prices {
		if p.Amount < 0 {
			drop = append(drop, dropPriceParams{AccountID: p.Account, Currency: p.Currency, Prefix: p.Prefix})
			continue
		}
		put = append(put, putPriceParams{AccountID: p.Account, Currency: p.Currency, Prefix: p.Prefix, Amount: p.Amount})
	}
	if err := store.Run(tx, dropPrice, drop); err != nil {
		return fmt.Errorf("drop prices: %w", err)
	}
	if err := store.Run(tx, putPrice, put); err != nil {
		return fmt.Errorf("set prices: %w", err)
	}
	entries := make([]audit.Entry, len(prices))
	for i, p := range prices {
		entries[i] = audit.Entry{Account: p.Account, Actor: by, Action: "price.set", Subject: p.Currency + " " + p.Prefix, Detail: fmt.Sprint(p.Amount)}
	}
	if err := audit.Append(tx, entries...); err != nil {
		return err
	}
	return tx.Touch(topic)
}

// checkPrices tells of every price that makes no sense.
func checkPrices(prices []Price) error {
	var wrong []error
	for i, p := range prices {
		if len(p.Prefix) > maxPrefix || strings.Trim(p.Prefix, "0123456789") != "" || p.Amount > ceiling || p.Currency == "" {
			f := fault.New(fault.InvalidField, "a price has a currency, a prefix of at most %d digits and an amount", maxPrefix)
			wrong = append(wrong, f.In(fmt.Sprintf("prices[%d]", i)))
		}
	}
	if f := fault.All(errors.Join(wrong...)); f != nil {
		return f
	}
	return nil
}

// Prices lists the book.
func (k *Keeper) Prices(ctx context.Context) ([]Price, error) {
	rows, err := on(k.store.Reader()).Prices(ctx)
	if err != nil {
		return nil, fmt.Errorf("list prices: %w", err)
	}
	prices := make([]Price, len(rows))
	for i, r := range rows {
		prices[i] = Price{r.AccountID, r.Currency, r.Prefix, r.Amount}
	}
	return prices, nil
}
