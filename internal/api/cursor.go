package api

import (
	"strconv"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

// base64 as it may stand in a URL.
var (
	toURL   = strings.NewReplacer("+", "-", "/", "_", "=", "")
	fromURL = strings.NewReplacer("-", "+", "_", "/")
)

// Cursor is the place in a list of an account after which the next page begins. Callers cannot read it, and it opens for
// the same list of the same account only.
func Cursor(s *store.Store, list string, a account.ID, after int64) (string, error) {
	sealed, err := s.Seal(cursorPlace(list, a), strconv.FormatInt(after, 10))
	return toURL.Replace(sealed), err
}

// OpenCursor reads what Cursor made. An empty one is the beginning.
func OpenCursor(s *store.Store, list string, a account.ID, cursor string) (after int64, err error) {
	if cursor == "" {
		return 0, nil
	}
	sealed := fromURL.Replace(cursor)
	sealed += strings.Repeat("=", -len(sealed)&3)
	text, err := s.Unseal(cursorPlace(list, a), sealed)
	if err == nil {
		after, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return 0, fault.New(fault.InvalidCursor, "the cursor is not one of this list").In("cursor")
	}
	return after, nil
}

func cursorPlace(list string, a account.ID) string { return "cursor/" + list + "/" + a.String() }
