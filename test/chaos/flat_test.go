package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// soaking is a soak of ten minutes with a kill a minute in which nothing grew: memory rises in each process's first seconds
// and falls with its end, like the teeth of a saw; the log does so all the time.
func soaking() World {
	soak := &Soak{Length: 10 * time.Minute, Every: time.Minute, Rate: 500, Past: 1000, Bound: 1 << 40}
	w := World{Load: []Entry{{Op: "run", Setup: &Setup{Engine: sqlite, Nodes: 1, Soak: soak}}, {Op: "pace", At: second, Rate: 100}}}
	w.Samples = append(w.Samples, Sample{Database: 500 * mb, Rows: Rows{Oldest: 1}})
	for at := int64(2); at <= 602; at += 2 {
		age := float64(at % 60)
		w.Samples = append(w.Samples, Sample{
			At: at * second, Age: age + 1, Resident: (100 + 2*min(age, 20)) * mb, Goroutines: 200 + float64(at%7), Files: 60 + float64(at%5),
			Database: 400 * mb, Log: (at % 16) * mb, Rows: Rows{Jobs: int(at % 100), House: 3, Oldest: 1}, Finished: int(100 * at),
		})
	}
	quiet := w.Samples[len(w.Samples)-1]
	quiet.Quiet, quiet.Rows = true, Rows{House: 3, Oldest: 1 << 41}
	w.Samples = append(w.Samples, quiet)
	return w
}

func TestFlatIsFlat(t *testing.T) {
	t.Parallel()
	w := soaking()
	for _, v := range flat(w, nil) {
		t.Error(v)
	}
	if why := soaked(w); why != "" {
		t.Error(why)
	}
	if n := len(w.levels()); n != 10 {
		t.Errorf("%d levels", n)
	}
	if all := (World{}).levels(); all != nil {
		t.Errorf("a run that was no soak: %v", all)
	}
}

// under changes every sample under the load.
func under(change func(s *Sample)) func(*World) {
	return func(w *World) {
		for n := range w.Samples[1 : len(w.Samples)-1] {
			change(&w.Samples[1+n])
		}
	}
}

func last(change func(s *Sample)) func(*World) {
	return func(w *World) { change(&w.Samples[len(w.Samples)-1]) }
}

// minutes is how far into the soak a sample was taken.
func (s Sample) minutes() float64 { return float64(s.At) / second / 60 }

func TestGrowthIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*World)
		broken string // begins so; empty: nothing is
	}{
		"memory grows with the soak":           {under(func(s *Sample) { s.Resident *= 1 + s.minutes()/20 }), "resident memory, MB, first"},
		"memory grows less than it may":        {under(func(s *Sample) { s.Resident *= 1 + s.minutes()/80 }), ""},
		"memory grows with a process's life":   {under(func(s *Sample) { s.Resident *= 1 + s.Age/60 }), "resident memory, MB, second"},
		"memory falls":                         {under(func(s *Sample) { s.Resident /= 1 + s.minutes() }), ""},
		"memory leaps for a moment":            {under(func(s *Sample) { s.Resident *= 1 + float64(s.At/second/2%10/9) }), ""},
		"goroutines grow with the soak":        {under(func(s *Sample) { s.Goroutines += 8 * s.minutes() }), "goroutines, first"},
		"goroutines grow with a process":       {under(func(s *Sample) { s.Goroutines += 3 * s.Age }), "goroutines, second"},
		"a few goroutines come and go":         {under(func(s *Sample) { s.Goroutines += s.minutes() }), ""},
		"descriptors grow with the soak":       {under(func(s *Sample) { s.Files += 4 * s.minutes() }), "open descriptors, first"},
		"descriptors grow with a process":      {under(func(s *Sample) { s.Files += 2 * s.Age }), "open descriptors, second"},
		"the database swells":                  {under(func(s *Sample) { s.Database = int64((400 + 160*(s.minutes()/10)) * mb) }), "database"},
		"the database is larger in the end":    {last(func(s *Sample) { s.Database = 501 * mb }), "database"},
		"the database comes back":              {under(func(s *Sample) { s.Database = 540 * mb }), ""},
		"the log leaps once":                   {func(w *World) { w.Samples[9].Log = 23 * mb }, "log"},
		"the log stays large":                  {last(func(s *Sample) { s.Log = 23 * mb }), "log"},
		"a job is left":                        {last(func(s *Sample) { s.Jobs = 1 }), "jobs"},
		"a delivery is open":                   {last(func(s *Sample) { s.Open = 1 }), "jobs"},
		"jobs of the house are left":           {last(func(s *Sample) { s.House = 9 }), "jobs"},
		"jobs that end doubts are left":        {doubted, ""},
		"the past is still there":              {last(func(s *Sample) { s.Oldest = 1<<40 - 1 }), "of 1000 messages"},
		"nothing was measured":                 {func(w *World) { w.Samples = nil }, "there are no samples"},
		"the end was not measured":             {last(func(s *Sample) { s.Quiet = false }), "there are no samples"},
		"the first third was not measured":     {func(w *World) { w.Samples = slices.Delete(w.Samples, 1, 290) }, "resident memory, MB, first"},
		"no process lived long enough to tell": {under(func(s *Sample) { s.Age = min(s.Age, 30) }), "resident memory, MB, second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := soaking()
			c.change(&w)
			all := flat(w, nil)
			found := slices.ContainsFunc(all, func(v Violation) bool { return strings.HasPrefix(v.Text, c.broken) })
			if c.broken == "" && len(all) > 0 || c.broken != "" && !found {
				t.Errorf("want %q, got %v", c.broken, all)
			}
		})
	}
}

func doubted(w *World) {
	for range 2 { // a webhook may come twice
		for _, subject := range strings.Fields("a b c d e f g") {
			w.Posts = append(w.Posts, Post{Type: "message.unknown", Subject: subject})
		}
	}
	w.Samples[len(w.Samples)-1].House = 15
}

// PostgreSQL takes up space again only after a vacuum, and keeps a log of its own size.
func TestGrowthOfPostgres(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]int{1000 * mb: 0, 1200 * mb: 1} {
		w := soaking()
		w.Load[0].Setup.Engine = postgres
		w.Samples[5].Log = size
		w.Samples[len(w.Samples)-1].Database = 740 * mb
		if all := flat(w, nil); len(all) != want {
			t.Errorf("a log of %d: %v", size, all)
		}
	}
	w := soaking()
	w.Load[0].Setup.Engine = postgres
	w.Samples[len(w.Samples)-1].Database = 760 * mb
	if all := flat(w, nil); len(all) != 1 || !strings.HasPrefix(all[0].Text, "database") {
		t.Errorf("a larger database: %v", all)
	}
}

// A soak that did not do what it was to do proves nothing.
func TestVacuousSoak(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*World){
		"it lasted":                    func(w *World) { w.Samples = w.Samples[:200] },
		"only":                         func(w *World) { w.Samples = slices.Delete(w.Samples, 10, 290) },
		"60 messages a second":         under(func(s *Sample) { s.Finished = s.Finished * 6 / 10 }),
		"no sample was taken at the p": func(w *World) { w.Load = w.Load[:1] },
	} {
		w := soaking()
		change(&w)
		if why := soaked(w); !strings.HasPrefix(why, want) {
			t.Errorf("want %q, got %q", want, why)
		}
		if why := vacuous(w, 0); !strings.HasPrefix(why, want) {
			t.Errorf("a run: want %q, got %q", want, why)
		}
	}
}
