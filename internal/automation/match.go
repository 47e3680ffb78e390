package automation

import (
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// mostRules is how many rules a message or a receipt fires.
const mostRules = 10

// book is the rules that are enabled, in memory. It is replaced as a whole when one changes.
type book map[account.ID]map[About][]Rule

// of are the rules that hear of an event, in the order in which they were made.
func (b book) of(e event.Event) []Rule {
	mine := b[e.Account]
	if mine == nil {
		return nil
	}
	for about, list := range kinds {
		if slices.Contains(list, e.Kind) {
			return mine[about]
		}
	}
	return nil
}

// matching are the rules that a message fires, in their order, and not more than fire for one.
func matching(rules []Rule, m *message.Message) (fired []Rule) {
	if m.Own() {
		return nil
	}
	for i := range rules {
		if rules[i].matches(m) {
			if fired = append(fired, rules[i]); len(fired) == mostRules {
				return fired
			}
		}
	}
	return fired
}

// matches tells whether a rule is for a message, or for its receipts.
func (r *Rule) matches(m *message.Message) bool {
	ours := m.To
	if r.About == Receipts {
		ours = m.From
	}
	if r.Kind != "" && r.Kind != m.Kind || r.Address.Value != "" && r.Address != ours {
		return false
	}
	text, term := store.Fold(m.Content.Text), store.Fold(r.Term)
	switch r.Search {
	case StartsWith:
		return strings.HasPrefix(strings.TrimSpace(text), strings.TrimSpace(term))
	case Contains:
		return strings.Contains(text, term)
	case ContainsNot:
		return !strings.Contains(text, term)
	default:
		return true
	}
}
