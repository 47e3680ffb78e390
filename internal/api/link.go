package api

import (
	"fmt"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const linkPlace = "download"

// Link is a name for a thing of an account that whoever has it may read for a while without a key.
func Link(s *store.Store, a account.ID, thing int64, life time.Duration) (string, error) {
	sealed, err := s.Seal(linkPlace, fmt.Sprintf("%d %d %d", int64(a), thing, s.Now().Add(life).UnixMilli()))
	return toURL.Replace(sealed), err
}

// OpenLink reads what Link made, until its time is over.
func OpenLink(s *store.Store, link string) (a account.ID, thing int64, err error) {
	sealed := fromURL.Replace(link)
	sealed += strings.Repeat("=", -len(sealed)&3)
	text, err := s.Unseal(linkPlace, sealed)
	var whose, until int64
	if err == nil {
		_, err = fmt.Sscanf(text, "%d %d %d", &whose, &thing, &until)
	}
	if err != nil || until <= s.Now().UnixMilli() {
		return 0, 0, fault.New(fault.NotHere, "there is no such link, or its time is over")
	}
	return account.ID(whose), thing, nil
}
