package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/store"
	"tidings.dev/internal/wallet"
)

func (s *server) walletOperations() []operation {
	return []operation{
		op[noInput, output[purseReply]]("GET /wallet", account.AccountRead, "readWallet", "Read the balance", s.readWallet),
		op[input[walletChangeRequest], output[purseReply]]("PATCH /wallet", account.Admin, "changeWallet", "Say which balance is low", s.changeWallet),
		op[PageInput, output[page[entryReply]]]("GET /wallet/entries", account.AccountRead, "listEntries", "List what moved the balance", s.listEntries),
		op[IDInput, output[purseReply]]("GET /accounts/{id}/wallet", account.Operate, "readWalletOf", "Read an account's balance", s.readWalletOf),
		op[creditInput, output[purseReply]]("PATCH /accounts/{id}/wallet", account.Operate, "changeWalletOf", "Change an account's credit limit", s.changeWalletOf),
		op[topUpInput, output[purseReply]]("POST /accounts/{id}/wallet/top-up", account.Operate, "topUpWallet", "Pay into an account's wallet, or correct it", s.topUpWallet).answers(201).once(),
		op[entriesInput, output[page[entryReply]]]("GET /accounts/{id}/wallet/entries", account.Operate, "listEntriesOf", "List what moved an account's balance", s.listEntriesOf),
	}
}

// purseReply is a wallet with who pays.
type purseReply struct {
	walletReply
	LowBalance *int64 `json:"low_balance_micros" nullable:"true" doc:"When less than this is available, there is an event wallet.low; null: never."`
	PaidBy     string `json:"paid_by,omitempty" format:"uuid" doc:"The parent whose wallet pays for what the account sends; absent when its own does."`
}

// walletChangeRequest is what the owner of a wallet may change.
type walletChangeRequest struct {
	LowBalance *int64 `json:"low_balance_micros,omitempty" minimum:"-1" doc:"-1: there is no event."`
}

// creditRequest is what the operator may change of a wallet; what is absent stays.
type creditRequest struct {
	CreditLimit *int64 `json:"credit_limit_micros,omitempty" minimum:"0" doc:"How far available may go below zero; not less than is owed."`
	LowBalance  *int64 `json:"low_balance_micros,omitempty" minimum:"-1" doc:"-1: there is no event."`
}

type creditInput struct {
	IDInput
	Body creditRequest
}

type entriesInput struct {
	IDInput
	PageInput
}

// topUpRequest pays into a wallet.
type topUpRequest struct {
	Amount   int64  `json:"amount_micros" doc:"Below zero it takes out, as a correction, which needs a note."`
	Currency string `json:"currency,omitempty" doc:"Refused when it is not the wallet's." example:"KES"`
	Note     string `json:"note,omitempty" maxLength:"200"`
}

type topUpInput struct {
	IDInput
	Body topUpRequest
}

// maxNote is how many characters a note may have.
const maxNote = 200

// entryReply is one movement of money.
type entryReply struct {
	Subject string `json:"subject,omitempty" format:"uuid" doc:"The message, or the top-up; absent for an opening."`
	Step    string `json:"step" enum:"top_up,correction,hold,charge,release,opening" doc:"A hold ends in a charge or in a release. Openings sum up what is past its retention."`
	Amount  int64  `json:"amount_micros" doc:"Never below zero: the step says which way it went."`
	Account string `json:"account_id,omitempty" format:"uuid" doc:"The subaccount that drew on this wallet."`
	Note    string `json:"note,omitempty"`
	At      string `json:"at" format:"date-time"`
}

func showPurse(b wallet.Balance, a *account.Account) purseReply {
	shown := purseReply{walletReply: walletReply{b.Currency, b.Available, b.Held, b.Charged, b.CreditLimit}}
	if b.LowAt >= 0 {
		shown.LowBalance = &b.LowAt
	}
	if payer := a.Payer(); payer != a.ID {
		shown.PaidBy = payer.String()
	}
	return shown
}

// readWallet shows the caller's wallet.
func (s *server) readWallet(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	return s.replyWallet(w, r, &a)
}

func (s *server) replyWallet(w http.ResponseWriter, r *http.Request, a *account.Account) error {
	b, err := s.core.Wallet.Balance(r.Context(), a.ID)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showPurse(b, a))
}

// changeWallet changes what its owner may change.
func (s *server) changeWallet(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[walletChangeRequest](r)
	if err != nil {
		return err
	}
	a := api.CallerOf(r).Account
	return s.setWallet(w, r, &a, creditRequest{LowBalance: in.LowBalance})
}

// setWallet changes what the request names.
func (s *server) setWallet(w http.ResponseWriter, r *http.Request, a *account.Account, in creditRequest) error {
	by := api.CallerOf(r).By
	err := s.core.Store.Write(func(tx *store.Tx) error {
		for _, change := range []struct {
			set   func(*store.Tx, audit.Actor, account.ID, int64) error
			to    *int64
			field string
		}{{s.core.Wallet.SetLimit, in.CreditLimit, "credit_limit_micros"}, {s.core.Wallet.SetLow, in.LowBalance, "low_balance_micros"}} {
			if change.to == nil {
				continue
			}
			if err := change.set(tx, by, a.ID, *change.to); err != nil {
				return named(err, change.field)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.replyWallet(w, r, a)
}

// named gives a fault about a value the name that the value has here.
func named(err error, field string) error {
	if f := fault.Of(err); f != nil && f.Code == fault.InvalidField {
		return f.In(field)
	}
	return err
}

// listEntries lists what moved the caller's balance, newest first.
func (s *server) listEntries(w http.ResponseWriter, r *http.Request) error {
	return s.replyEntries(w, r, api.CallerOf(r).Account.ID)
}

// replyEntries answers with one page. The entries of one subject are never parted, so a page may have one more than its limit.
func (s *server) replyEntries(w http.ResponseWriter, r *http.Request, a account.ID) error {
	q := queryOf(r)
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	return turn(s, w, r, "entries/"+a.String(), func(after int64) ([]entryReply, int64, error) {
		entries, err := s.core.Wallet.Entries(r.Context(), a, after, limit)
		if err != nil {
			return nil, 0, err
		}
		shown := make([]entryReply, len(entries))
		for i, e := range entries {
			shown[i] = entryReply{Step: string(e.Kind), Amount: e.Amount, Account: e.Spender.String(), Note: e.Note, At: showTime(e.At)}
			if e.Subject > 0 {
				shown[i].Subject = id.Of[wallet.Entry](e.Subject).String()
			}
		}
		if len(entries) < limit {
			return shown, 0, nil
		}
		return shown, entries[len(entries)-1].Subject, nil
	})
}

func (s *server) readWalletOf(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	return s.replyWallet(w, r, &a)
}

func (s *server) listEntriesOf(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	return s.replyEntries(w, r, a.ID)
}

func (s *server) changeWalletOf(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[creditRequest](r)
	if err != nil {
		return err
	}
	return s.setWallet(w, r, &a, *in)
}

// topUpWallet pays into a wallet, or takes out what was paid by mistake.
func (s *server) topUpWallet(w http.ResponseWriter, r *http.Request) error {
	a, err := s.tenant(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[topUpRequest](r)
	if err != nil {
		return err
	}
	switch {
	case in.Amount < 0 && in.Note == "":
		return fault.New(fault.MissingField, "a correction has a note").In("note")
	case len([]rune(in.Note)) > maxNote:
		return fault.New(fault.InvalidField, "a note has at most %d characters", maxNote).In("note")
	}
	by := api.CallerOf(r).By
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		b, err := s.core.Wallet.BalanceIn(tx, a.ID)
		if err != nil {
			return nil, err
		}
		if in.Currency != "" && in.Currency != b.Currency {
			return nil, fault.New(fault.InvalidField, "the wallet is in %s", b.Currency).In("currency")
		}
		if err := s.core.Wallet.TopUp(tx, by, a.ID, in.Amount, in.Note); err != nil {
			return nil, named(err, "amount_micros")
		}
		b, err = s.core.Wallet.BalanceIn(tx, a.ID)
		return showPurse(b, &a), err
	})
}
