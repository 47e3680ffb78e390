package key

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// OriginKnown reports whether any key lists the origin of a web page: then a browser may ask with it, and the request itself
// is held against its own key's list.
func (k *Keeper) OriginKnown(ctx context.Context, origin string) (bool, error) {
	listed, err := k.origins.Get(ctx)
	return len(listed[origin]) > 0, err
}

// OriginOf reports whether any key of an account lists the origin of a web page, for who comes without a key.
func (k *Keeper) OriginOf(ctx context.Context, a account.ID, origin string) (bool, error) {
	listed, err := k.origins.Get(ctx)
	return slices.Contains(listed[origin], a), err
}

// loadOrigins reads which accounts' keys list which origins.
func loadOrigins(ctx context.Context, q store.Queryer) (map[string][]account.ID, error) {
	rows, err := on(q).AllOrigins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read origins: %w", err)
	}
	listed := map[string][]account.ID{}
	for _, row := range rows {
		for origin := range strings.FieldsSeq(row.Origins) {
			listed[origin] = append(listed[origin], row.AccountID)
		}
	}
	return listed, nil
}
