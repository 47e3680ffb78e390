package whatsapp

import (
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// faults is what goes wrong with one device's connection.
type faults struct {
	withhold int           // of the next messages get no answer; negative: none does
	repeat   int           // of the next messages for it come twice
	delay    time.Duration // before the answer to each of its messages
	refuse   string        // the error that each of its messages gets
}

// WithholdAcks lets the device's next messages go unanswered, though they are delivered; negative: all, until it is told otherwise.
func (d *Device) WithholdAcks(messages int) { d.fault(func(f *faults) { f.withhold = messages }) }

// DelayAcks delays the answer to each message of the device.
func (d *Device) DelayAcks(delay time.Duration) { d.fault(func(f *faults) { f.delay = delay }) }

// Repeat lets the next messages for the device come twice.
func (d *Device) Repeat(messages int) { d.fault(func(f *faults) { f.repeat = messages }) }

// RefuseMessages refuses each message of the device with an error; 0: no longer.
func (d *Device) RefuseMessages(code int) {
	d.fault(func(f *faults) {
		f.refuse = ""
		if code != 0 {
			f.refuse = strconv.Itoa(code)
		}
	})
}

func (d *Device) fault(change func(*faults)) {
	d.phone.server.mu.Lock()
	defer d.phone.server.mu.Unlock()
	change(&d.faults)
}

// timelocked is the error for a message to somebody who has not written first, while the account may not do that.
const timelocked = "463"

// Timelock tells all devices of the account that it may not write to new people for a while, and refuses what they send them;
// 0 ends it.
func (p *Phone) Timelock(duration time.Duration) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := time.Now().Add(duration)
	body := fmt.Sprintf(`{"data":{"xwa2_notify_account_reachout_timelock":{"enforcement_type":"BIZ_QUALITY","is_active":%t,"time_enforcement_ends":"%d"}}}`,
		duration > 0, ends.Unix())
	p.locked = ends
	for _, d := range p.linked() {
		d.enqueue(node{Tag: "notification", Attrs: attrs{
			"type": "mex", "from": types.ServerJID, "id": s.stanzaID(), "t": stamp(time.Now()),
		}, Content: []node{{Tag: "update", Attrs: attrs{"op_name": "NotificationUserReachoutTimelockUpdate"}, Content: []byte(body)}}})
	}
}
