package automation_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidings.dev/internal/automation"
	"tidings.dev/internal/message"
)

// TestRulesMatchAsTheirWordsSay holds matching against a model that says the same in other words: regular expressions.
func TestRulesMatchAsTheirWordsSay(t *testing.T) {
	t.Parallel()
	addresses := []message.Address{{}, shop, office, {Kind: message.Name, Value: "SHOP"}}
	words := rapid.SampledFrom([]string{"stop", "Stop", "STOP", "join", "jo", "in", "é", "É", "ß", "ǅ", "ı", ".", "*", "(", `\`, "a b", "ñ"})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(words, 0, 4).Draw(t, "words"), rapid.SampledFrom([]string{"", " ", "  ", "\n"}).Draw(t, "between"))
	})
	rapid.Check(t, func(t *rapid.T) {
		m := message.Message{
			Direction: message.In, Kind: rapid.SampledFrom([]message.Kind{message.SMS, message.WhatsApp}).Draw(t, "kind"), From: jane,
			To: rapid.SampledFrom(addresses[1:]).Draw(t, "to"), Content: message.Text(text.Draw(t, "text")),
		}
		about := rapid.SampledFrom([]automation.About{automation.Inbound, automation.Receipts}).Draw(t, "about")
		if about == automation.Receipts {
			m.Direction, m.OnUnknown, m.From, m.To = message.Out, message.Fail, m.To, m.From
		}
		rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) automation.Rule {
			return automation.Rule{
				About: about, Kind: rapid.SampledFrom([]message.Kind{"", message.SMS, message.WhatsApp}).Draw(t, "of kind"),
				Address: rapid.SampledFrom(addresses).Draw(t, "address"), Search: automation.Search(rapid.IntRange(0, 3).Draw(t, "search")), Term: words.Draw(t, "term"),
			}
		}), 0, 30).Draw(t, "rules")
		for i := range rules {
			rules[i].Number = i
		}
		var want []int
		for _, r := range rules {
			if len(want) < 10 && fires(r, &m) {
				want = append(want, r.Number)
			}
		}
		got := automation.Matching(rules, &m)
		if len(got) != len(want) {
			t.Fatalf("%d rules fire, want %d: %v", len(got), len(want), want)
		}
		for i := range got {
			if got[i].Number != want[i] {
				t.Fatalf("rule %d fires as the %dth, want %d", got[i].Number, i, want[i])
			}
		}
	})
}

func fires(r automation.Rule, m *message.Message) bool {
	ours := map[automation.About]message.Address{automation.Inbound: m.To, automation.Receipts: m.From}[r.About]
	if r.Kind != "" && r.Kind != m.Kind || r.Address != (message.Address{}) && r.Address.String() != ours.String() {
		return false
	}
	word := regexp.QuoteMeta(strings.ToLower(strings.ToUpper(r.Term)))
	has := func(pattern string) bool {
		return regexp.MustCompile("(?s)" + pattern).MatchString(strings.ToLower(strings.ToUpper(m.Content.Text)))
	}
	switch r.Search {
	case automation.StartsWith:
		return has(`^\s*` + word)
	case automation.Contains:
		return has(word)
	case automation.ContainsNot:
		return !has(word)
	}
	return true
}

func TestWhatTheOwnerWroteHimselfFiresNothing(t *testing.T) {
	t.Parallel()
	own := message.Message{Direction: message.Out, From: shop, To: jane}
	if !own.Own() || len(automation.Matching([]automation.Rule{{About: automation.Receipts}}, &own)) != 0 {
		t.Error("it fires rules about receipts")
	}
}
