package main

import (
	"fmt"
	"slices"
	"time"
)

// level is one thing that must not grow in a soak: what was found of it, and whether that breaks the rule.
type level struct {
	said   string
	broken bool
}

// flat: after a soak, nothing that a server takes has grown with its time, and nothing is left of what was to end.
func flat(w World, _ *Cases) []Violation {
	f := found{rule: "C15"}
	for _, l := range w.levels() {
		if l.broken {
			f.add("", "%s", l.said)
		}
	}
	return f.all
}

// Bounds of what a soak may show.
const (
	growth = 1.15               // of what varies by itself
	few    = 8                  // goroutines and descriptors that come and go
	logged = 4250 * (4096 + 24) // bytes of SQLite's log that has 4,000 pages, and 250 more while it is read
	group  = 4 << 20            // bytes that one group of writes may add to it
	kept   = 1 << 30            // bytes of its log that PostgreSQL keeps (max_wal_size)
)

// levels are all that C15 looks at; nothing when the run was no soak.
func (w World) levels() []level {
	soak := w.setup().Soak
	if soak == nil {
		return nil
	}
	m := measured{soak: *soak, engine: w.setup().Engine, all: w.Samples}
	for _, s := range w.Samples {
		if s.Age > 0 && s.At >= w.paced() && !s.Quiet {
			m.paced = append(m.paced, s)
		}
	}
	if len(m.paced) == 0 || !m.last().Quiet {
		return []level{{"there are no samples of the soak, or none of its end", true}}
	}
	return slices.Concat(
		m.steady("resident memory, MB", mb, m.caches(), func(s Sample) float64 { return s.Resident }),
		m.steady("goroutines", 1, few, func(s Sample) float64 { return s.Goroutines }),
		m.steady("open descriptors", 1, few, func(s Sample) float64 { return s.Files }),
		m.files(), m.left(w.inDoubt()))
}

// paced is when the load was held to its pace.
func (w World) paced() int64 {
	for _, e := range w.Load {
		if e.Op == "pace" {
			return e.At
		}
	}
	return 1 << 62
}

// inDoubt counts the messages whose outcome was unknown at some time, as the customer heard.
func (w World) inDoubt() int {
	all := map[string]bool{}
	for _, p := range w.Posts {
		if p.Type == "message.unknown" {
			all[p.Subject] = true
		}
	}
	return len(all)
}

// measured are the samples of a soak.
type measured struct {
	soak   Soak
	engine string
	all    []Sample // from the first, before anything came, to the last, when nothing moved any more
	paced  []Sample // while servers ran under the load
}

func (m measured) last() Sample { return m.all[len(m.all)-1] }

// warmUp is how long a process takes to fill the caches of its database, and caches is what they take.
const warmUp = 20 * time.Second

// caches are the bytes that processes of the same age may differ by, because they had more or less to do so far: nothing once
// they live long enough to have full ones.
func (m measured) caches() float64 {
	if m.soak.Every < 3*warmUp {
		return 160 * mb
	}
	return 0
}

// steady compares a value in the last third of the soak with that in the first, each with one of a process of the same age;
// and in the last third of the processes' lives with that in the second, which growth from the start of each would show.
func (m measured) steady(what string, unit, slack float64, value func(Sample) float64) []level {
	first, length := m.paced[0].At, m.paced[len(m.paced)-1].At-m.paced[0].At
	third := func(s Sample) int { return int(min(2, 3*(s.At-first)/max(length, 1))) }
	early, late, ages := m.atEqualAge(value, third)
	name := func(s Sample) int { return int(min(2, 3*s.Age/m.soak.Every.Seconds())) }
	var young, old []float64
	for _, s := range m.paced {
		switch name(s) {
		case 1:
			young = append(young, value(s))
		case 2:
			old = append(old, value(s))
		}
	}
	return []level{
		compared(what+", first and last third of the soak at equal age", early, late, unit, slack, ages),
		compared(what+", second and last third of a process's life", median(young), median(old), unit, slack, min(len(young), len(old))),
	}
}

// atEqualAge is a value in the first and the last third: the mean over the ages that both have, of the median at each age.
func (m measured) atEqualAge(value func(Sample) float64, third func(Sample) int) (early, late float64, ages int) {
	step := m.soak.Every.Seconds() / 12
	at := map[int]*[3][]float64{}
	for _, s := range m.paced {
		age := int(s.Age / step)
		if at[age] == nil {
			at[age] = &[3][]float64{}
		}
		at[age][third(s)] = append(at[age][third(s)], value(s))
	}
	for _, thirds := range at {
		if len(thirds[0]) > 0 && len(thirds[2]) > 0 {
			early, late, ages = early+median(thirds[0]), late+median(thirds[2]), ages+1
		}
	}
	return early / float64(max(ages, 1)), late / float64(max(ages, 1)), ages
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// compared is the level of two values, which proves nothing without any.
func compared(what string, early, late, unit, slack float64, values int) level {
	return level{
		fmt.Sprintf("%s: %.0f and %.0f (%+.0f %%)", what, early/unit, late/unit, 100*(late/max(early, 1)-1)),
		values == 0 || late > early*growth+slack,
	}
}

// files are the sizes of what is on disk.
func (m measured) files() []level {
	start, last := float64(m.all[0].Database), float64(m.last().Database)
	var most, ahead int64
	for _, s := range m.all {
		most = max(most, s.Database)
		if s.Age > 0 {
			ahead = max(ahead, s.Log)
		}
	}
	// SQLite uses a page again as soon as it is free. PostgreSQL does once it was vacuumed, keeps the file as long as it was, and
	// writes a row anew when its text is emptied.
	swell, end := 1.1, 1.0
	bound := int64(logged + group)
	if m.engine == postgres {
		swell, end = 1.5, 1.5
		bound = kept * 11 / 10
	}
	return []level{
		{
			fmt.Sprintf("database, MB: %.0f before, %.0f at most, %.0f in the end", start/mb, float64(most)/mb, last/mb),
			float64(most) > start*swell || last > start*end,
		},
		{
			fmt.Sprintf("log ahead of it, MB: %.1f at most, %.1f in the end; the bound is %.1f", float64(ahead)/mb, float64(m.last().Log)/mb, float64(bound)/mb),
			max(ahead, m.last().Log) > bound,
		},
	}
}

// left is what is there when nothing moves any more. Each message whose outcome was unknown may have a job that ends its doubt.
func (m measured) left(doubts int) []level {
	most, last := 0, m.last()
	for _, s := range m.paced {
		most = max(most, s.Jobs)
	}
	return []level{
		{
			fmt.Sprintf("jobs: %d at most, %d in the end, and %d of the house after %d doubts; %d deliveries open", most, last.Jobs, last.House, doubts, last.Open),
			last.Jobs > 0 || last.Open > 0 || last.House > doubts+few,
		},
		{
			fmt.Sprintf("of %d messages past their retention the oldest row left is from %s ago", m.soak.Past, ageOf(last.Oldest, last.At)),
			last.Oldest < m.soak.Bound,
		},
	}
}

// soaked tells why a soak proves nothing, or "".
func soaked(w World) string {
	soak, pace, paced := w.setup().Soak, 0.0, w.paced()
	for _, e := range w.Load {
		if e.Op == "pace" {
			pace = e.Rate
		}
	}
	var under []Sample
	for _, s := range w.Samples {
		if s.At >= paced && !s.Quiet {
			under = append(under, s)
		}
	}
	if len(under) == 0 {
		return "no sample was taken at the pace"
	}
	first, last := under[0], under[len(under)-1]
	length := time.Duration(last.At-first.At) * time.Microsecond
	rate := float64(last.Finished-first.Finished) / max(length.Seconds(), 1)
	switch {
	case length < soak.Length*9/10:
		return fmt.Sprintf("it lasted %s of %s", length, soak.Length)
	case len(under) < int(length/soak.step())/2:
		return fmt.Sprintf("only %d samples", len(under))
	case rate < pace*0.7:
		return fmt.Sprintf("%.0f messages a second were finished; the pace is %.0f", rate, pace)
	}
	return ""
}
