package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tidings.dev/test/product"
)

const (
	shownViolations = 12 // of each rule
	shownTimelines  = 4
)

// report says what a run was, what it found, and how the first offenders came to it.
func report(out io.Writer, w World, violations []Violation) {
	c := gather(w)
	summary(out, w, c)
	perRule := map[string]int{}
	for _, v := range violations {
		if perRule[v.Rule]++; perRule[v.Rule] <= shownViolations {
			fmt.Fprintln(out, " ", v)
		}
	}
	for rule, n := range perRule {
		if n > shownViolations {
			fmt.Fprintf(out, "  %s: %d in all\n", rule, n)
		}
	}
	shown := map[string]bool{}
	for _, v := range violations {
		if it := c.All[v.Tag]; it != nil && !shown[v.Tag] && len(shown) < shownTimelines {
			shown[v.Tag] = true
			timeline(out, w, it)
		}
	}
}

func summary(out io.Writer, w World, c *Cases) {
	statuses, accepted, maybe, repeated, kills := map[string]int{}, 0, 0, 0, 0
	for _, it := range c.All {
		if it.accepted() {
			accepted++
		} else if it.Maybe {
			maybe++
		}
		if it.effects() > 1 {
			repeated++
		}
		if len(it.Final) > 0 {
			statuses[it.Final[0].Status]++
		}
	}
	other := map[string]int{}
	for _, f := range c.Faults {
		if f.What == "kill" {
			kills++
		}
		other[f.What]++
	}
	fmt.Fprintf(out, "%d kills, %d other faults (%d servers frozen, %d times the database killed, %d connections cut, %d answers missing or late)\n", kills,
		len(c.Faults)-kills, other["freeze"], other["cut"], other["drop"], other["slow"])
	fmt.Fprintf(out, "%d messages accepted, %d requests left open, %d sent twice, %d webhooks, %d numbers opted out\n", accepted, maybe, repeated,
		len(w.Posts), len(stopped(w.SMSC)))
	inDoubt(out, w, c)
	times(out, w)
	names := make([]string, 0, len(statuses))
	for name := range statuses {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(out, "  %-10s %d\n", name, statuses[name])
	}
}

// inDoubt tells what the faults cost against what they may.
func inDoubt(out io.Writer, w World, c *Cases) {
	if w.Books != nil {
		fmt.Fprintf(out, "%d attempts found without an outcome", len(w.Books.Doubts))
	}
	blamed, most := make([]int, len(c.Faults)), map[string]int{}
	for _, it := range c.All {
		if n := c.blame(it); n >= 0 {
			blamed[n]++
			most[c.Faults[n].What] = max(most[c.Faults[n].What], blamed[n])
		}
	}
	fmt.Fprintf(out, "; sent twice around one fault at most: %v; the window is %d\n", most, window)
}

// times tells how soon the work went on.
func times(out io.Writer, w World) {
	took := map[string][]time.Duration{}
	for _, t := range w.takeovers() {
		took["lane worked again after "+t.what] = append(took["lane worked again after "+t.what], t.took)
	}
	for _, b := range w.comebacks() {
		took[b.what+" after the database was back"] = append(took[b.what+" after the database was back"], b.took)
	}
	for _, what := range slices.Sorted(maps.Keys(took)) {
		all := took[what]
		slices.Sort(all)
		fmt.Fprintf(out, "%s: median %s, worst %s of %d\n", what, all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond), len(all))
	}
	for _, l := range w.levels() {
		fmt.Fprintln(out, l.said)
	}
	if rate := w.setup().Rate; rate > 0 {
		second, _ := peak(w.SMSC, time.Second)
		most, _ := peak(w.SMSC, paceTime)
		fmt.Fprintf(out, "at most %d parts in a second, %d in %s; the rate is %d a second\n", second, most, paceTime, rate)
	}
}

// nemesis are the ops of the history that are about the product itself.
var nemesis = []string{"kill", "dead", "term", "start", "ready", "freeze", "thaw", "cut", "mend", "quiet"}

// moment is one line of a timeline.
type moment struct {
	at   int64
	text string
}

// timeline prints everything that is known about one message in the order of time, with the faults between.
func timeline(out io.Writer, w World, it *Case) {
	lines := slices.Concat(asked(w, it), carried(w, it), heard(w, it))
	if len(lines) == 0 {
		return
	}
	byTime := func(a, b moment) int { return cmp.Compare(a.at, b.at) }
	slices.SortStableFunc(lines, byTime)
	first, last := lines[0].at, lines[len(lines)-1].at
	for _, e := range w.Load {
		if slices.Contains(nemesis, e.Op) && e.At >= first && e.At <= last+2_000_000 {
			lines = append(lines, moment{e.At, fmt.Sprintf("  *****   %s %d", e.Op, e.Node)})
		}
	}
	slices.SortStableFunc(lines, byTime)
	fmt.Fprintf(out, "\n%s to %s, on_unknown %s\n", it.Tag, it.To, it.OnUnknown)
	for _, l := range lines {
		fmt.Fprintf(out, "  %s %s\n", clock(l.at), strings.TrimRight(l.text, " "))
	}
	for _, m := range it.Final {
		fmt.Fprintf(out, "  in the end %s %s possible_duplicate %v id %s\n", m.Status, m.Reason, m.Duplicate, m.ID)
	}
}

// asked is what the customer's software did about the message.
func asked(w World, it *Case) (lines []moment) {
	requests := map[int64]bool{}
	for _, e := range w.Load {
		mine := e.Tag == it.Tag || e.N != 0 && requests[e.N]
		if mine || slices.ContainsFunc(e.Items, func(i Item) bool { return i.Tag == it.Tag }) {
			requests[e.N] = true
			lines = append(lines, moment{e.At, fmt.Sprintf("customer  %s of %d %s %s%s %s %s", e.Op, e.Node, e.Phase, e.Status, e.Code, e.Key, e.Error)})
		}
	}
	return lines
}

// carried is what the network saw of it; of somebody who opts out, also what they wrote.
func carried(w World, it *Case) (lines []moment) {
	for _, r := range w.SMSC {
		mine := tagOf(r.Text) == it.Tag || !isShared(it.To) && digits(r.To) == digits(it.To)
		if mine || isStopper(it.To) && digits(r.From) == digits(it.To) {
			lines = append(lines, moment{r.Time * 1000, fmt.Sprintf("network   %s %s %s part %d id %s %.12s", r.Op, r.Status, r.State, r.Number, r.RemoteID, r.Text)})
		}
	}
	return lines
}

// heard is what the customer's receiver was told.
func heard(w World, it *Case) (lines []moment) {
	for _, p := range w.Posts {
		if slices.ContainsFunc(it.Final, func(m product.Message) bool { return m.ID == p.Subject }) {
			lines = append(lines, moment{p.At, fmt.Sprintf("webhook   %s seq %d try %s answered %d", p.Type, p.Seq, p.Attempt, p.Answer)})
		}
	}
	return lines
}
