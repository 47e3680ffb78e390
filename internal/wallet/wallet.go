// Package wallet keeps money: what an account may spend, what is held for messages under way, what was charged, and what
// a message costs.
//
// Every amount is in micro-units of the wallet's currency and moves by one immutable row from one book to another, so the
// books of a wallet balance by construction (docs/architecture.md). A wallet's columns are the sums of its rows.
package wallet

import (
	"context"
	"fmt"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// The books between which transfers move money. Funds is where top-ups come from.
const (
	funds     = "funds"
	available = "available"
	held      = "held"
	charged   = "charged"
)

// The steps of a subject: each happens once.
const (
	stepTopUp = "top-up"
	stepHold  = "hold"
	stepEnd   = "end" // posted or voided
)

// ceiling bounds what one deed may move (a billion of any currency), so that no sum leaves an int64.
const ceiling = 1_000_000_000_000_000

// topic names what is kept in memory: the wallets' currencies and the prices.
const topic = "wallet"

// Keeper keeps wallets, transfers and prices.
type Keeper struct {
	store *store.Store
	log   *event.Log
	book  *store.Cached[*priceBook]
	share int64 // how many ended subjects one Fold takes
}

// New returns the keeper of the store's wallets. A balance that falls below its threshold is told to log.
func New(s *store.Store, log *event.Log) *Keeper {
	return &Keeper{s, log, store.NewCached(s, topic, loadBook), foldShare}
}

// Balance is what a wallet has.
type Balance struct {
	Currency    string
	Available   int64 // may be spent, with the credit limit below zero
	Held        int64 // for messages whose outcome is open
	Charged     int64
	CreditLimit int64
	LowAt       int64 // when less is available it is told; below zero: it never is
}

// Open makes an account's wallet. One that is there stays as it is.
func (k *Keeper) Open(tx *store.Tx, id account.ID, currency string) error {
	if err := store.Run(tx, openWallet, []openWalletParams{{AccountID: id, Currency: currency}}); err != nil {
		return fmt.Errorf("open wallet: %w", err)
	}
	return tx.Touch(topic)
}

// Balance returns what the account's wallet has, or fault.NotHere.
func (k *Keeper) Balance(ctx context.Context, id account.ID) (Balance, error) {
	return balance(ctx, k.store.Reader(), id)
}

// BalanceIn is Balance as it is within a transaction.
func (k *Keeper) BalanceIn(tx *store.Tx, id account.ID) (Balance, error) {
	return balance(tx.Context(), tx.Queries(), id)
}

func balance(ctx context.Context, q store.Queryer, id account.ID) (Balance, error) {
	r, err := on(q).BalanceOf(ctx, balanceOfParams{AccountID: id})
	if store.NoRows(err) {
		return Balance{}, noWallet(id)
	}
	if err != nil {
		return Balance{}, fmt.Errorf("read balance: %w", err)
	}
	return Balance(r), nil
}

// TopUp pays an amount in. One below zero takes it out again, down to the credit limit.
func (k *Keeper) TopUp(tx *store.Tx, by audit.Actor, id account.ID, amount int64, note string) error {
	if amount == 0 || amount > ceiling || amount < -ceiling {
		return fault.New(fault.InvalidField, "an amount is between 1 and %d micro-units", int64(ceiling)).In("amount")
	}
	err := one(k, tx, id, spend, []spendParams{{Available: amount, Funded: amount, AccountID: id}})
	if err != nil {
		return fmt.Errorf("top up: %w", err)
	}
	t := addTransferParams{AccountID: id, Subject: tx.NewID(), Step: stepTopUp, Debit: funds, Credit: available, Amount: amount, At: tx.NowMilli(), Note: note}
	if amount < 0 {
		t.Debit, t.Credit, t.Amount = available, funds, -amount
	}
	if err := store.Run(tx, addTransfer, []addTransferParams{t}); err != nil {
		return fmt.Errorf("top up: %w", err)
	}
	return audit.Append(tx, audit.Entry{Account: id, Actor: by, Action: "wallet.topup", Subject: id.String(), Detail: fmt.Sprintf("%d %s", amount, note)})
}

// SetLimit changes how far below zero the wallet may go. It cannot be less than what is owed already.
func (k *Keeper) SetLimit(tx *store.Tx, by audit.Actor, id account.ID, limit int64) error {
	if limit < 0 || limit > ceiling {
		return fault.New(fault.InvalidField, "a limit is between 0 and %d micro-units", int64(ceiling)).In("credit_limit")
	}
	err := one(k, tx, id, setCreditLimit, []setCreditLimitParams{{CreditLimit: limit, AccountID: id}})
	if err != nil {
		return fmt.Errorf("set credit limit: %w", err)
	}
	return audit.Append(tx, audit.Entry{Account: id, Actor: by, Action: "wallet.limit", Subject: id.String(), Detail: fmt.Sprint(limit)})
}

// SetLow has it told when less than the threshold is available: once, and again after it was as much. Below zero it is not told.
func (k *Keeper) SetLow(tx *store.Tx, by audit.Actor, id account.ID, threshold int64) error {
	if threshold > ceiling {
		return fault.New(fault.InvalidField, "a threshold is at most %d micro-units", int64(ceiling)).In("low_balance")
	}
	err := one(k, tx, id, setLowAt, []setLowAtParams{{LowAt: max(threshold, -1), AccountID: id}})
	if err != nil {
		return fmt.Errorf("set low balance: %w", err)
	}
	return audit.Append(tx, audit.Entry{Account: id, Actor: by, Action: "wallet.low", Subject: id.String(), Detail: fmt.Sprint(threshold)})
}

// one runs a conditional change of one wallet and says which condition did not hold.
func one[P any](k *Keeper, tx *store.Tx, id account.ID, stmt string, params []P) error {
	rows, err := store.First[spendRow](tx, stmt, params)
	if err != nil {
		return err
	}
	if rows[0] != nil {
		return k.tell(tx, rows)
	}
	rooms, err := store.First[int64](tx, room, []account.ID{id})
	if err != nil {
		return err
	}
	if rooms[0] == nil {
		return noWallet(id)
	}
	return fault.New(fault.InsufficientBalance, "the wallet would fall below its credit limit")
}

// justFallen is a wallet's mark in the change that brought it below its threshold.
const justFallen = 1

// tell appends a notice for each wallet that has just fallen below its threshold.
func (k *Keeper) tell(tx *store.Tx, changed []*spendRow) error {
	var notices []event.Notice
	for _, w := range changed {
		if w != nil && w.Low == justFallen {
			facts := event.Wallet{Balance: w.Available, Threshold: w.LowAt, Currency: w.Currency}
			notices = append(notices, event.Notice{Account: w.AccountID, Subject: int64(w.AccountID), Kind: event.WalletLow, Data: facts})
		}
	}
	if len(notices) == 0 {
		return nil
	}
	return k.log.Notice(tx, notices...)
}

func noWallet(id account.ID) error { return fault.New(fault.NotHere, "account %s has no wallet", id) }
