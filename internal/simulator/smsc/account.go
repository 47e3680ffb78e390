package smsc

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"tidings.dev/internal/smpp"
)

// account is one system_id: its binds, and what it is owed.
type account struct {
	systemID string
	smsc     *SMSC

	mu     sync.Mutex
	taken  int // places, from before a bind is answered to its end
	joined int // binds so far
	binds  []*bind
	queue  []*delivery // due, in order
	turns  uint64      // of deliveries sent
	owed   int         // created and not acknowledged
	second int64       // of the rate
	inSec  int
}

// bind is one connection of an account.
type bind struct {
	account *account
	mode    smpp.Command
	session *smpp.Session
	conn    net.Conn
	place   int // in the order the account's binds came in
}

func newBind(a *account, mode smpp.Command, conn net.Conn) *bind {
	b := &bind{account: a, mode: mode, conn: conn}
	b.session = smpp.NewSession(conn, smpp.Config{
		Window: a.smsc.config.Window, ResponseTimeout: a.smsc.config.AckTimeout, Handler: b.handle,
	})
	return b
}

func (a *account) join(b *bind) {
	a.mu.Lock()
	a.joined++
	b.place = a.joined
	a.binds = append(a.binds, b)
	a.mu.Unlock()
	a.pump()
}

func (a *account) leave(b *bind) {
	a.mu.Lock()
	a.binds = slices.DeleteFunc(a.binds, func(other *bind) bool { return other == b })
	a.mu.Unlock()
	a.pump() // what b had not delivered goes to another bind
}

// take keeps a place for a bind before it is answered; false when all are taken. 0 is any number.
func (a *account) take(places int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if places > 0 && a.taken >= places {
		return false
	}
	a.taken++
	return true
}

func (a *account) giveBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken--
}

func (a *account) pending() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.owed
}

func (a *account) disconnect() {
	a.mu.Lock()
	binds := slices.Clone(a.binds)
	a.mu.Unlock()
	for _, b := range binds {
		b.session.Close()
	}
}

func (a *account) bound() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.binds)
}

func (a *account) cut(n int) bool {
	a.mu.Lock()
	binds := slices.SortedFunc(slices.Values(a.binds), func(x, y *bind) int { return x.place - y.place })
	a.mu.Unlock()
	if n >= len(binds) {
		return false
	}
	binds[n].session.Close()
	return true
}

// overRate counts a submit and tells whether it is one too many in this second.
func (a *account) overRate(limit int) bool {
	if limit <= 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now().Unix(); now != a.second {
		a.second, a.inSec = now, 0
	}
	a.inSec++
	return a.inSec > limit
}

// delivery is a receipt or an inbound text on its way to the ESME.
type delivery struct {
	message *smpp.Message
	record  Record // of its acknowledgement
	turn    uint64 // when it was first sent, to keep its place; 0: not yet
	repeat  int    // how many more times it is sent after it was acknowledged
}

// owe counts a delivery from the moment it is promised, and puts it in line when it is due.
func (a *account) owe(d *delivery, delay time.Duration) {
	a.mu.Lock()
	a.owed++
	a.mu.Unlock()
	a.due(d, delay)
}

func (a *account) due(d *delivery, delay time.Duration) {
	if delay > 0 {
		time.AfterFunc(delay, func() { a.due(d, 0) })
		return
	}
	a.mu.Lock()
	a.queue = append(a.queue, d)
	a.mu.Unlock()
	a.pump()
}

// pump gives what is due to binds with a free slot.
func (a *account) pump() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sendAll()
}

// sendAll sends until the queue or the windows are used up. The lock is held.
func (a *account) sendAll() {
	sent := 0
	for sent < len(a.queue) && a.send(a.queue[sent]) {
		a.queue[sent] = nil
		sent++
	}
	if a.queue = a.queue[sent:]; len(a.queue) == 0 {
		a.queue = nil
	}
}

// send tries the binds in turn.
func (a *account) send(d *delivery) bool {
	for i, b := range a.binds {
		if !b.mode.Receives() {
			continue
		}
		err := b.session.TryGo(smpp.DeliverSM, d.message, func(r smpp.Response, err error) { a.answered(d, r, err) })
		if err == nil {
			if d.turn == 0 {
				a.turns++
				d.turn = a.turns
			}
			if i+1 < len(a.binds) { // the next one goes to another bind
				a.binds = append(append(slices.Clone(a.binds[:i]), a.binds[i+1:]...), b)
			}
			return true
		}
		if errors.Is(err, smpp.ErrInvalid) {
			a.smsc.config.Log.Error("cannot be delivered", "error", err)
			a.owed--
			return true
		}
	}
	return false
}

// answered ends a delivery only with the ESME's yes. A receipt is tried for ever, since a gateway that was killed must
// still learn of it; an inbound text is dropped when the ESME refuses it for good.
func (a *account) answered(d *delivery, r smpp.Response, err error) {
	switch {
	case err != nil && errors.Is(err, smpp.ErrTimeout):
		a.due(d, a.smsc.config.RetryDelay)
	case err != nil:
		a.first(d)
	case r.Status == smpp.StatusOK || d.record.Op == OpInboundAck && !r.Status.Temporary():
		a.acknowledged(d, r.Status)
	default:
		a.due(d, a.smsc.config.RetryDelay)
	}
}

// first puts a delivery whose connection died in front, in its old place, for the next bind.
func (a *account) first(d *delivery) {
	a.mu.Lock()
	place := slices.IndexFunc(a.queue, func(other *delivery) bool { return other.turn == 0 || other.turn > d.turn })
	if place < 0 {
		place = len(a.queue)
	}
	a.queue = slices.Insert(a.queue, place, d)
	a.mu.Unlock()
	a.pump()
}

func (a *account) acknowledged(d *delivery, status smpp.Status) {
	d.record.Status = status.String()
	a.smsc.history.add(d.record, nil)
	if d.repeat > 0 {
		d.repeat--
		a.due(d, 0)
		return
	}
	a.mu.Lock()
	a.owed--
	a.mu.Unlock()
	a.pump()
}
