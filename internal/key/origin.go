package key

import (
	"context"
	"fmt"
	"strings"

	"tidings.dev/internal/store"
)

// OriginKnown reports whether any key lists the origin of a web page: then a browser may ask with it, and the request itself
// is held against its own key's list.
func (k *Keeper) OriginKnown(ctx context.Context, origin string) (bool, error) {
	known, err := k.origins.Get(ctx)
	return known[origin], err
}

func loadOrigins(ctx context.Context, q store.Queryer) (map[string]bool, error) {
	lists, err := on(q).AllOrigins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read origins: %w", err)
	}
	known := map[string]bool{}
	for _, list := range lists {
		for _, origin := range strings.Fields(list) {
			known[origin] = true
		}
	}
	return known, nil
}
