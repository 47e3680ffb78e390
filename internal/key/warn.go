package key

import (
	"fmt"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
)

// warnings are how many days before its end a key is told of.
var warnings = []int64{1, 7, 30}

// daysLeft is the smallest of the warnings that has come with so much time left; 0 for none.
func daysLeft(left time.Duration) int64 {
	for _, days := range warnings {
		if left <= time.Duration(days)*day {
			return days
		}
	}
	return 0
}

// Warn tells of keys that come to their end: once for each of the warnings, in the transaction that notes it. Of those that had
// passed when a key was made, nothing is told, and nothing of keys that have a successor. It takes a share, and tells whether
// there may be more.
func Warn(tx *store.Tx, events *event.Log) (more bool, err error) {
	now := tx.Now()
	in := func(days int64) int64 { return now.Add(time.Duration(days) * day).UnixMilli() }
	found, err := store.Find[expiringKeysRow](tx, expiringKeys, []expiringKeysParams{{
		Now: now.UnixMilli(), Soon: in(warnings[2]), Sooner: in(warnings[1]), Soonest: in(warnings[0]),
	}})
	if err != nil {
		return false, fmt.Errorf("find keys that expire: %w", err)
	}
	notices, rows := make([]event.Notice, len(found)), make([]setWarnedParams, len(found))
	for i, f := range found {
		expires := time.UnixMilli(f.Row.ExpiresAt).UTC()
		days := daysLeft(expires.Sub(now))
		rows[i] = setWarnedParams{Warned: days, ID: f.Row.ID}
		notices[i] = event.Notice{
			Account: f.Row.AccountID, Subject: int64(f.Row.ID), Kind: event.KeyExpiring,
			Data: event.Key{ID: f.Row.ID.String(), Name: f.Row.Name, Hint: f.Row.Hint, Expires: event.Moment(expires), Days: int(days)},
		}
	}
	if err := events.Notice(tx, notices...); err != nil {
		return false, err
	}
	if err := store.Run(tx, setWarned, rows); err != nil {
		return false, fmt.Errorf("note what was told of keys: %w", err)
	}
	return len(found) > 0, nil
}
