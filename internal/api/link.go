package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const linkPlace = "download"

// Link is a name for a thing of an account that whoever has it may read for a while without a key.
func Link(s *store.Store, a account.ID, thing int64, life time.Duration) (string, error) {
	return LinkTo(s, linkPlace, a, strconv.FormatInt(thing, 10), life)
}

// OpenLink reads what Link made, until its time is over.
func OpenLink(s *store.Store, link string) (a account.ID, thing int64, err error) {
	a, what, err := OpenLinkTo(s, linkPlace, link)
	if err == nil {
		thing, err = strconv.ParseInt(what, 10, 64)
	}
	return a, thing, err
}

// LinkTo is Link for what is more than the key of a thing. It opens in its own place only.
func LinkTo(s *store.Store, place string, a account.ID, what string, life time.Duration) (string, error) {
	sealed, err := s.Seal(place, fmt.Sprintf("%d %d %s", int64(a), s.Now().Add(life).UnixMilli(), what))
	return toURL.Replace(sealed), err
}

// OpenLinkTo reads what LinkTo made, until its time is over.
func OpenLinkTo(s *store.Store, place, link string) (a account.ID, what string, err error) {
	sealed := fromURL.Replace(link)
	sealed += strings.Repeat("=", -len(sealed)&3)
	text, err := s.Unseal(place, sealed)
	var whose, until int64
	if err == nil {
		_, err = fmt.Sscanf(text, "%d %d ", &whose, &until)
	}
	if err != nil || until <= s.Now().UnixMilli() {
		return 0, "", fault.New(fault.NotHere, "there is no such link, or its time is over")
	}
	return account.ID(whose), strings.SplitN(text, " ", 3)[2], nil
}
