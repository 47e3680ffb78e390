package smsc

import (
	"math/rand/v2"
	"sync"
	"time"

	"tidings.dev/internal/smpp"
)

// Chaos makes a share of the submits go wrong, the same way for the same seed and order. Shares are from 0 to 1 and are
// tried in the order of the fields; recipients with an ending are left to it.
type Chaos struct {
	Seed uint64

	Drop      float64 // the connection is cut before an answer
	Silent    float64 // the message is taken, and neither answer nor receipt comes
	Garble    float64 // the message is taken, and what comes for an answer is no PDU
	Throttle  float64 // ESME_RTHROTTLED
	Fail      float64 // undelivered
	Early     float64 // receipt before the answer
	Duplicate float64 // receipt twice
	Late      float64 // receipt later by up to MaxLate
	MaxLate   time.Duration
}

// dice rolls fates. Without shares it costs nothing.
type dice struct {
	chaos Chaos
	quiet bool

	mu     *sync.Mutex
	random *rand.Rand
}

func newDice(c Chaos) dice {
	shares := c.Drop + c.Silent + c.Garble + c.Throttle + c.Fail + c.Early + c.Duplicate + c.Late
	return dice{chaos: c, quiet: shares == 0, mu: new(sync.Mutex), random: rand.New(rand.NewPCG(c.Seed, c.Seed))}
}

func (d dice) roll() fate {
	if d.quiet {
		return delivered
	}
	d.mu.Lock()
	share, late := d.random.Float64(), d.random.Float64()
	d.mu.Unlock()
	f := delivered
	for _, choice := range []struct {
		share float64
		apply func()
	}{
		{d.chaos.Drop, func() { f.drop = true }},
		{d.chaos.Silent, func() { f.silent, f.noReceipt = true, true }},
		{d.chaos.Garble, func() { f.silent, f.garbled = true, true }},
		{d.chaos.Throttle, func() { f.status = smpp.StatusThrottled }},
		{d.chaos.Fail, func() { f.state = smpp.StateUndeliverable }},
		{d.chaos.Early, func() { f.receiptFirst = true }},
		{d.chaos.Duplicate, func() { f.repeat = 1 }},
		{d.chaos.Late, func() { f.receiptDelay = time.Duration(late * float64(d.chaos.MaxLate)) }},
	} {
		if share < choice.share {
			choice.apply()
			break
		}
		share -= choice.share
	}
	return f
}
