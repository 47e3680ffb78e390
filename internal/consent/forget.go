package consent

import (
	"context"
	"fmt"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Mark is what stands for a person in an account that has erased him: always the same, and no way back to the address.
func (k *Keeper) Mark(a account.ID, address message.Address) message.Address {
	return message.Address{Kind: message.Erased, Value: k.store.Mark("erased/"+a.String(), address.String())[:12]}
}

// Forget puts a person's mark in the place of the address. Whoever opted out stays out, and the log stays evidence of it.
func (k *Keeper) Forget(tx *store.Tx, a account.ID, address message.Address) error {
	mark := k.Mark(a, address).String()
	subjects, err := store.First[int64](tx, subjectOf, []subjectOfParams{{AccountID: a, Address: address.String()}})
	if err != nil {
		return fmt.Errorf("read an opt-out: %w", err)
	}
	if err := store.Run(tx, forgetConsents, []forgetConsentsParams{{Mark: mark, AccountID: a, Address: address.String()}}); err != nil {
		return fmt.Errorf("forget choices: %w", err)
	}
	if subjects[0] == nil {
		return nil
	}
	if err := store.Run(tx, forgetOptOut, []forgetOptOutParams{{Mark: mark, AccountID: a, Address: address.String()}}); err != nil {
		return fmt.Errorf("forget an opt-out: %w", err)
	}
	if err := k.log.Rewrite(tx, a, *subjects[0], func(c *event.Change) { c.Address, c.Word = mark, "" }); err != nil {
		return err
	}
	k.choosers.forget(a)
	return tx.Touch(topic)
}

// kept is each address as the opt-outs keep it: the mark of a person who opted out and was erased, and is told apart by nothing else.
func (k *Keeper) kept(tx *store.Tx, asks []Ask) ([]message.Address, error) {
	look, err := k.choosers.all(tx.Context())
	if err != nil {
		return nil, err
	}
	all := make([]message.Address, len(asks))
	var rows []isOutParams
	var of []int
	for i, a := range asks {
		if all[i] = a.Address; look(a.Account).erased {
			rows, of = append(rows, isOutParams{AccountID: a.Account, Address: k.Mark(a.Account, a.Address).String()}), append(of, i)
		}
	}
	found, err := store.First[int16](tx, isOut, rows)
	if err != nil {
		return nil, fmt.Errorf("look for erased people: %w", err)
	}
	for i, f := range found {
		if f != nil {
			all[of[i]] = message.ParseAddress(rows[i].Address)
		}
	}
	return all, nil
}

// known is kept outside of a transaction.
func (k *Keeper) known(ctx context.Context, a account.ID, address message.Address) (message.Address, error) {
	look, err := k.choosers.all(ctx)
	if err != nil || !look(a).erased {
		return address, err
	}
	mark := k.Mark(a, address)
	_, err = on(k.store.Reader()).IsOut(ctx, isOutParams{AccountID: a, Address: mark.String()})
	switch {
	case store.NoRows(err):
		return address, nil
	case err != nil:
		return address, fmt.Errorf("look for erased people: %w", err)
	}
	return mark, nil
}
