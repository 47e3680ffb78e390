package wallet

import (
	"context"
	"errors"
	"fmt"

	"tidings.dev/internal/account"
)

// Verify checks what always holds of the ledger and names the accounts where it does not. Each check is one statement, so
// that it sees one moment of a running server.
func (k *Keeper) Verify(ctx context.Context) error {
	q := on(k.store.Reader())
	var wrong []error
	for _, check := range []struct {
		promise string
		find    func(context.Context) ([]account.ID, error)
	}{
		{"a wallet is the sum of its transfers, equals what was paid in, and is not below its limit", q.WrongWallets},
		{"what is held is the sum of the holds without an end", q.WrongHolds},
		{"a transfer moves an amount between the books of its step, and ends the hold it is for", q.WrongTransfers},
	} {
		ids, err := check.find(ctx)
		if err != nil {
			return fmt.Errorf("verify the ledger: %w", err)
		}
		if len(ids) > 0 {
			wrong = append(wrong, fmt.Errorf("not so for %v: %s", ids, check.promise))
		}
	}
	return errors.Join(wrong...)
}
