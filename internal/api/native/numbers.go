package native

import (
	"cmp"
	"net/http"
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/store"
)

func (s *server) numberOperations() []operation {
	return []operation{
		op[input[numberRequest], output[NumberReply]]("POST /numbers", account.Admin, "createNumber", "Say whose an address on a channel is", s.createNumber).answers(201).once(),
		op[PageInput, output[page[NumberReply]]]("GET /numbers", account.AccountRead, "listNumbers", "List numbers; for the operator, those of all accounts", s.listNumbers),
		op[changeNumberInput, output[NumberReply]]("PATCH /numbers/{id}", account.Admin, "changeNumber", "Change the keyword or the owner of a number", s.changeNumber),
		op[IDInput, nothing]("DELETE /numbers/{id}", account.Admin, "deleteNumber", "Take a number from its owner", s.deleteNumber).answers(204),
		op[input[senderRequest], output[SenderReply]]("POST /senders", account.Admin, "createSender", "Give leave to send as an address", s.createSender).answers(201).once(),
		op[PageInput, output[page[SenderReply]]]("GET /senders", account.AccountRead, "listSenders", "List who may send as whom; for the operator, of all accounts", s.listSenders),
		op[IDInput, nothing]("DELETE /senders/{id}", account.Admin, "deleteSender", "Take leave to send back", s.deleteSender).answers(204),
	}
}

// numberRequest is an address with its owner.
type numberRequest struct {
	Address string `json:"address" doc:"A number, a short code or a name." example:"+254711000000"`
	Channel string `json:"channel" format:"uuid" doc:"A channel of the account; the operator names any."`
	Keyword string `json:"keyword,omitempty" doc:"Only texts that begin with this word are the owner's; all that have no other owner without it." example:"PIZZA"`
	Account string `json:"account_id,omitempty" format:"uuid" doc:"Whose it is; the operator gives it, for anyone else it is their own."`
}

// numberChangeRequest is what to change of a number; what is absent stays.
type numberChangeRequest struct {
	Keyword *string `json:"keyword,omitempty"`
	Account *string `json:"account_id,omitempty" format:"uuid" doc:"Only the operator gives a number to another account."`
}

type changeNumberInput struct {
	IDInput
	Body numberChangeRequest
}

// NumberReply is an address with its owner.
type NumberReply struct {
	ID        string `json:"id" format:"uuid"`
	Address   string `json:"address"`
	Channel   string `json:"channel" format:"uuid"`
	Keyword   string `json:"keyword"`
	Account   string `json:"account_id" format:"uuid"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

// senderRequest is leave to send as an address.
type senderRequest struct {
	Address string `json:"address" example:"ACME"`
	Channel string `json:"channel" format:"uuid" doc:"A channel of the account; the operator names any."`
	Account string `json:"account_id,omitempty" format:"uuid" doc:"Who may; the operator gives it, for anyone else it is their own."`
}

// SenderReply is leave to send as an address.
type SenderReply struct {
	ID        string `json:"id" format:"uuid"`
	Address   string `json:"address"`
	Channel   string `json:"channel" format:"uuid"`
	Account   string `json:"account_id" format:"uuid"`
	CreatedAt string `json:"created_at" format:"date-time"`
}

func showNumber(n *number.Number) NumberReply {
	return NumberReply{n.ID.String(), n.Address.Display(), n.Channel.String(), n.Keyword, n.Account.String(), showTime(n.ID.Time())}
}

func showSender(n *number.Sender) SenderReply {
	return SenderReply{n.ID.String(), n.Address.Display(), n.Channel.String(), n.Account.String(), showTime(n.ID.Time())}
}

// holding is an address on a channel for an account, as a request names them.
type holding struct {
	account account.ID
	channel message.ChannelID
	address message.Address
}

// readHeld reads who is to have which address on which channel. The channel must be the caller's to change.
func (s *server) readHeld(r *http.Request, address, ch, owner string) (h holding, err error) {
	c := api.CallerOf(r)
	h.account = c.Account.ID
	switch {
	case address == "":
		return h, fault.New(fault.MissingField, "there is no address").In("address")
	case ch == "":
		return h, fault.New(fault.MissingField, "there is no channel").In("channel")
	}
	if h.address, err = message.ParseSender(address, c.Account.Region); err != nil {
		return h, fault.Of(err).In("address")
	}
	if h.channel, err = id.Parse[message.Channel](ch); err != nil {
		return h, noChannel(ch)
	}
	on, ok, err := s.core.Channels.Get(r.Context(), h.channel)
	if err != nil {
		return h, err
	}
	switch {
	case !ok || !sees(r, on) && !operates(r):
		return h, noChannel(ch)
	case !runs(r, on):
		return h, fault.New(fault.ScopeMissing, "only the operator gives addresses on a channel that all accounts share").In("channel")
	case owner != "" && owner != c.Account.ID.String() && !operates(r):
		return h, fault.New(fault.ScopeMissing, "only the operator gives addresses to other accounts").In("account_id")
	case owner != "":
		h.account, err = s.accountIn(r, owner, "account_id")
	}
	return h, err
}

func noChannel(ch string) error {
	return fault.New(fault.NoChannel, "there is no channel %s", clip(ch)).In("channel")
}

// createNumber gives an address to an account.
func (s *server) createNumber(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[numberRequest](r)
	if err != nil {
		return err
	}
	h, err := s.readHeld(r, in.Address, in.Channel, in.Account)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		n, err := s.core.Numbers.Assign(tx, api.CallerOf(r).By, number.Number{Account: h.account, Channel: h.channel, Address: h.address, Keyword: in.Keyword})
		return showNumber(&n), err
	})
}

// listNumbers lists the account's numbers, newest first.
func (s *server) listNumbers(w http.ResponseWriter, r *http.Request) error {
	return simple(s, w, r, "numbers", func(after int64, limit int) ([]number.Number, error) {
		all, err := s.core.Numbers.All(r.Context())
		return newest(all, limit, func(n number.Number) bool { return has(r, n.Account) && (after == 0 || int64(n.ID) < after) }), err
	}, func(n *number.Number) (NumberReply, int64) { return showNumber(n), int64(n.ID) })
}

// newest are the last of a list that are wanted, the last first.
func newest[T any](all []T, limit int, wanted func(T) bool) []T {
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(one T) bool { return !wanted(one) })
	return all[:min(len(all), limit)]
}

// has tells whether what an account has may be shown to the caller.
func has(r *http.Request, a account.ID) bool { return a == api.CallerOf(r).Account.ID || operates(r) }

// ownNumber is the number of the path, if its channel is the caller's to change.
func (s *server) ownNumber(r *http.Request) (n number.Number, err error) {
	all, err := s.core.Numbers.All(r.Context())
	if err != nil {
		return n, err
	}
	i := slices.IndexFunc(all, func(n number.Number) bool { return n.ID.String() == r.PathValue("id") && has(r, n.Account) })
	if i < 0 {
		return n, fault.New(fault.NotHere, "there is no such number")
	}
	return all[i], s.checkRuns(r, all[i].Channel)
}

// checkRuns refuses what only who runs a channel may do.
func (s *server) checkRuns(r *http.Request, ch message.ChannelID) error {
	c, _, err := s.core.Channels.Get(r.Context(), ch)
	if err == nil && !runs(r, c) {
		err = fault.New(fault.ScopeMissing, "only the operator changes addresses on a channel that all accounts share")
	}
	return err
}

// changeNumber changes what the request names.
func (s *server) changeNumber(w http.ResponseWriter, r *http.Request) error {
	n, err := s.ownNumber(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[numberChangeRequest](r)
	if err != nil {
		return err
	}
	var owner account.ID // zero: it stays
	if in.Account != nil && *in.Account != n.Account.String() {
		if !operates(r) {
			return fault.New(fault.ScopeMissing, "only the operator gives a number to another account").In("account_id")
		}
		if owner, err = s.accountIn(r, *in.Account, "account_id"); err != nil {
			return err
		}
		if owner == 0 {
			return fault.New(fault.InvalidField, "a number has an owner").In("account_id")
		}
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		if n, err = s.ownNumber(r); err != nil { // it may be someone else's by now
			return err
		}
		set(&n.Keyword, in.Keyword)
		n.Account = cmp.Or(owner, n.Account)
		n, err = s.core.Numbers.Change(tx, api.CallerOf(r).By, n)
		return err
	})
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showNumber(&n))
}

// deleteNumber takes a number from its owner.
func (s *server) deleteNumber(w http.ResponseWriter, r *http.Request) error {
	n, err := s.ownNumber(r)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) error {
		_, err := s.core.Numbers.Release(tx, api.CallerOf(r).By, n.Account, n.ID)
		return err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// createSender gives leave to send as an address.
func (s *server) createSender(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[senderRequest](r)
	if err != nil {
		return err
	}
	h, err := s.readHeld(r, in.Address, in.Channel, in.Account)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Numbers.Register(tx, api.CallerOf(r).By, number.Sender{Account: h.account, Channel: h.channel, Address: h.address})
		return showSender(&made), err
	})
}

// listSenders lists whom the account may send as, newest first.
func (s *server) listSenders(w http.ResponseWriter, r *http.Request) error {
	return simple(s, w, r, "senders", func(after int64, limit int) ([]number.Sender, error) {
		all, err := s.core.Numbers.Senders(r.Context())
		return newest(all, limit, func(n number.Sender) bool { return has(r, n.Account) && (after == 0 || int64(n.ID) < after) }), err
	}, func(n *number.Sender) (SenderReply, int64) { return showSender(n), int64(n.ID) })
}

// deleteSender takes leave to send back.
func (s *server) deleteSender(w http.ResponseWriter, r *http.Request) error {
	all, err := s.core.Numbers.Senders(r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(n number.Sender) bool { return n.ID.String() == r.PathValue("id") && has(r, n.Account) })
	if i < 0 {
		return fault.New(fault.NotHere, "there is no such sender")
	}
	if err := s.checkRuns(r, all[i].Channel); err != nil {
		return err
	}
	if err := s.core.Store.Write(func(tx *store.Tx) error { return s.core.Numbers.Withdraw(tx, api.CallerOf(r).By, all[i]) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
