package queue

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// drive takes turns and lets them leave for a while, each later than its turn by what late says, and tells when they left.
func drive(p *Pace, d time.Duration, late func(i int) time.Duration) (left []time.Time) {
	began := time.Now()
	for i := 0; time.Since(began) < d; i++ {
		turn := p.reserve(time.Now())
		time.Sleep(time.Until(turn) + late(i))
		_ = p.Leave(context.Background())
		left = append(left, time.Now())
	}
	return left
}

// busiest is the most that left within a second that begins with any of them.
func busiest(left []time.Time) (most int) {
	for i, first := range left {
		n, _ := slices.BinarySearchFunc(left[i:], first.Add(time.Second), time.Time.Compare)
		most = max(most, n)
	}
	return most
}

func punctual(int) time.Duration { return 0 }

// No second, whenever it begins, has more than the rate, and each has it within one.
func TestCase6c01AtMostTheRateInAnySecond(t *testing.T) {
	for _, rate := range []int{1, 7, 30, 300} {
		for name, late := range map[string]func(int) time.Duration{
			"punctual": punctual,
			"late":     func(i int) time.Duration { return time.Duration(i*i%7) * time.Millisecond },
			"stalls":   func(i int) time.Duration { return time.Duration(i%rate/max(1, rate-1)) * 60 * time.Millisecond },
		} {
			synctest.Test(t, func(t *testing.T) {
				left := drive(NewPace(float64(rate)), 10*time.Second, late)
				if most := busiest(left); most > rate {
					t.Errorf("%s: %d in a second at a rate of %d", name, most, rate)
				}
				if name != "punctual" {
					return
				}
				for second := range 9 {
					n := 0
					for _, at := range left {
						if since := at.Sub(left[0]); since >= time.Duration(second)*time.Second && since < time.Duration(second+1)*time.Second {
							n++
						}
					}
					if float64(n) < math.Floor(0.99*float64(rate)) && n < rate-1 {
						t.Errorf("%d in second %d at a rate of %d", n, second, rate)
					}
				}
			})
		}
	}
}

func TestNeverMoreThanThePaceWhateverIsLate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.IntRange(1, 50).Draw(rt, "rate")
		lates := rapid.SliceOfN(rapid.IntRange(0, 200), 1, 20).Draw(rt, "lates")
		synctest.Test(t, func(*testing.T) {
			left := drive(NewPace(float64(rate)), 3*time.Second, func(i int) time.Duration { return time.Duration(lates[i%len(lates)]) * time.Millisecond })
			if most := busiest(left); most > rate {
				rt.Errorf("%d in a second at a rate of %d", most, rate)
			}
		})
	})
}

func TestAFractionOfARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for rate, want := range map[float64]int{0.5: 10, 7.5: 150} {
			if n := len(drive(NewPace(rate), 20*time.Second, punctual)); n < want-2 || n > want+1 {
				t.Errorf("%d in 20 seconds at %v", n, rate)
			}
		}
	})
}

// The rate halves once for each moment of objections, and comes back evenly.
func TestCase6c02ThePaceHalvesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(100)
		if p.Slowed() != 0 {
			t.Error("slow from the start")
		}
		for range 10 { // a window full of answers
			p.slow(time.Now())
		}
		if got := p.Slowed(); got != 50 {
			t.Errorf("%v after the first objection", got)
		}
		time.Sleep(time.Second)
		p.slow(time.Now())
		if got := p.Slowed(); got != 27.5 {
			t.Errorf("%v after the second", got)
		}
		last := p.Slowed()
		for range 14 {
			time.Sleep(time.Second)
			if got := p.Slowed(); got != last+5 {
				t.Errorf("%v after %v", got, last)
			}
			last += 5
		}
		time.Sleep(time.Second)
		if got := p.Slowed(); got != 0 {
			t.Errorf("%v in the end", got)
		}
		if n := len(drive(p, time.Second, punctual)); n < 100 || n > 101 { // the last one leaves after it
			t.Errorf("%d in a second", n)
		}
	})
}

// Where no rate is set, what the network took before it objected is the measure.
func TestAnUnsetPaceLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(0)
		drive(p, 2*time.Second, func(int) time.Duration { return 10 * time.Millisecond }) // 100 a second
		p.slow(time.Now())
		if got := p.Slowed(); got < 49 || got > 51 {
			t.Errorf("%v", got)
		}
		time.Sleep(29 * time.Second)
		if got := p.Slowed(); got < 190 {
			t.Errorf("%v after 29 s", got)
		}
		time.Sleep(2 * time.Second)
		if got := p.Slowed(); got != 0 {
			t.Errorf("%v in the end", got)
		}
	})
}

func TestAPaceIsSetAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(100)
		p.slow(time.Now())
		p.Set(10) // lower than what is left
		if p.Slowed() != 0 || len(drive(p, time.Second, punctual)) > 11 {
			t.Errorf("%v", p.Slowed())
		}
		p.slow(time.Now())
		p.Set(20)
		if got := p.Slowed(); got != 5 {
			t.Errorf("%v", got)
		}
	})
}

func TestLeaveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(1)
		_ = p.Leave(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := p.Leave(ctx); err == nil {
			t.Error("it left")
		}
	})
}

// A careful pace keeps its average and its bounds, whatever they are and however late the jobs come.
func TestACarefulPaceKeepsItsAverageAndItsBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		every := time.Duration(rapid.IntRange(1, 30).Draw(rt, "seconds")) * time.Second
		jitter := rapid.Float64Range(0, 1).Draw(rt, "jitter")
		synctest.Test(t, func(*testing.T) {
			began := time.Now()
			left := drive(NewCarefulPace(every, jitter, nil), 400*every, punctual)
			if wait := left[0].Sub(began); wait >= every {
				rt.Fatalf("the first left after %s", wait)
			}
			low, high := time.Duration(float64(every)*(1-jitter)), time.Duration(float64(every)*(1+jitter))
			for i := range left[1:] {
				if pause := left[i+1].Sub(left[i]); pause < low || pause > high {
					rt.Fatalf("a pause of %s; %s to %s are meant", pause, low, high)
				}
			}
			mean := left[len(left)-1].Sub(left[0]) / time.Duration(len(left)-1)
			if off := math.Abs(float64(mean-every) / float64(every)); off > 0.15 {
				rt.Fatalf("%s on average, want %s", mean, every)
			}
		})
	})
}
