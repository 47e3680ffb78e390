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
	return CursorAt(s, list, a, strconv.FormatInt(after, 10))
}

// CursorAt is Cursor for lists whose places are more than a number.
func CursorAt(s *store.Store, list string, a account.ID, place string) (string, error) {
	sealed, err := s.Seal(cursorPlace(list, a), place)
	return toURL.Replace(sealed), err
}

// OpenCursor reads what Cursor made. An empty one is the beginning.
func OpenCursor(s *store.Store, list string, a account.ID, cursor string) (after int64, err error) {
	place, err := OpenCursorAt(s, list, a, cursor)
	if err != nil || place == "" {
		return 0, err
	}
	if after, err = strconv.ParseInt(place, 10, 64); err != nil {
		return 0, notOfThisList()
	}
	return after, nil
}

// OpenCursorAt reads what CursorAt made. An empty one is the beginning.
func OpenCursorAt(s *store.Store, list string, a account.ID, cursor string) (place string, err error) {
	if cursor == "" {
		return "", nil
	}
	sealed := fromURL.Replace(cursor)
	sealed += strings.Repeat("=", -len(sealed)&3)
	if place, err = s.Unseal(cursorPlace(list, a), sealed); err != nil {
		return "", notOfThisList()
	}
	return place, nil
}

func notOfThisList() error {
	return fault.New(fault.InvalidCursor, "the cursor is not one of this list").In("cursor")
}

func cursorPlace(list string, a account.ID) string { return "cursor/" + list + "/" + a.String() }
