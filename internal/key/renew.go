package key

import (
	"fmt"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/store"
)

// Main is the name of the key that an account is known to have, on surfaces where each has one: its parent is shown it when it is
// made, and gets another by Renew.
const Main = "main"

// Named is the newest key of a name that an account has in use.
func (k *Keeper) Named(tx *store.Tx, a account.ID, name string) (Key, bool, error) {
	rows, err := store.First[apiKeyRecord](tx, newestKey, []newestKeyParams{{AccountID: a, Name: name, Now: tx.NowMilli()}})
	if err != nil {
		return Key{}, false, fmt.Errorf("find key %q: %w", name, err)
	}
	if rows[0] == nil {
		return Key{}, false, nil
	}
	return keyOf(*rows[0], tx.Now()), true, nil
}

// Renew gives an account a new key in place of those of the same name, which die at once. It may do what the newest of them could,
// and what it has spent today counts; when there was none it is as the wish says. It lives as long as the wish says.
func (k *Keeper) Renew(tx *store.Tx, by audit.Actor, wish Key) (Made, error) {
	old, there, err := k.Named(tx, wish.Account, wish.Name)
	if err != nil {
		return Made{}, err
	}
	if there {
		old.Expires = wish.Expires
		wish = old
	}
	if err := k.KeepNewest(tx, by, wish.Account, wish.Name, 0); err != nil {
		return Made{}, err
	}
	return k.Create(tx, by, wish, there)
}
