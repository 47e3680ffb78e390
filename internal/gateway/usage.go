package gateway

import (
	"cmp"
	"slices"

	"tidings.dev/internal/event"
	"tidings.dev/internal/report"
	"tidings.dev/internal/wallet"
)

// usageOf is what changes of messages count as: one for each event of its kind, on the channel that the message had, and what was
// charged. The states are in the order of their keys.
func usageOf(states []*state, charged []wallet.Move) []report.Usage {
	news := make([]report.Usage, len(states))
	for i, s := range states {
		u := report.Usage{Account: s.row.Account, Channel: s.row.Channel, Kind: s.row.Kind}
		for _, e := range s.events {
			count(&u.Counts, e.Kind)
		}
		news[i] = u
	}
	for _, m := range charged {
		i, ok := slices.BinarySearchFunc(states, m.Subject, func(s *state, subject int64) int { return cmp.Compare(int64(s.row.ID), subject) })
		if ok {
			news[i].Charged += m.Amount
		}
	}
	return news
}

func count(c *report.Counts, kind event.Kind) {
	switch kind {
	case event.Sent:
		c.Sent++
	case event.Delivered:
		c.Delivered++
	case event.Failed:
		c.Failed++
	case event.Unknown:
		c.Unknown++
	}
}
