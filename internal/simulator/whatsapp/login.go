package whatsapp

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// firstRevision is the version of the client that the site offers at first, newer than any that the library announces.
const firstRevision = 1_100_000_000

// Reasons for a log-in to fail, as the service numbers them.
const (
	ReasonLoggedOut   = 401
	ReasonBanned      = 402
	ReasonLocked      = 403
	ReasonOutdated    = 405
	ReasonUnavailable = 503
)

// welcome meets a connection whose handshake is done: it pairs, logs in or is refused.
func (s *Server) welcome(c *conn) error {
	reason, more := s.admit(c)
	if reason != 0 {
		failure := node{Tag: "failure", Attrs: attrs{"reason": strconv.Itoa(reason), "location": "sim"}}
		for name, value := range more {
			failure.Attrs[name] = value
		}
		c.breakWith(failure)
		return nil
	}
	if c.device == nil {
		s.advertise(c)
	}
	return nil
}

// admit lets a device in, or tells why not. A connection that wants to pair has no device and is let in.
func (s *Server) admit(c *conn) (reason int, more attrs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refuse) > 0 {
		reason, s.refuse = s.refuse[0], s.refuse[1:]
		return reason, nil
	}
	if c.payload.GetUserAgent().GetAppVersion().GetTertiary() < s.minimum {
		return ReasonOutdated, nil
	}
	if c.payload.GetDevicePairingData() != nil {
		return 0, nil
	}
	d := s.deviceOf(c)
	if d == nil || d.removed || !bytes.Equal(d.noise, c.static) {
		return ReasonLoggedOut, nil
	}
	if left := time.Until(d.banned); left > 0 {
		return ReasonBanned, attrs{"code": "101", "expire": strconv.Itoa(int(left.Seconds()) + 1)}
	}
	s.logIn(c, d)
	return 0, nil
}

// deviceOf finds who a connection says it is. The caller holds the lock.
func (s *Server) deviceOf(c *conn) *Device {
	number := strconv.FormatUint(c.payload.GetUsername(), 10)
	if p := s.phones[number]; p != nil {
		number := uint16(c.payload.GetDevice())
		if d := p.devices[number]; d != nil || p.unlinked[number] {
			return d
		}
	}
	if !s.config.Adopt {
		return nil
	}
	p := s.person(number)
	d := newDevice(p, uint16(c.payload.GetDevice()), c.static)
	d.greeted, d.keyed = true, true
	p.devices[d.number] = d
	p.serial = max(p.serial, d.number)
	return d
}

// logIn gives a device its connection, and what has waited for it. The caller holds the lock.
func (s *Server) logIn(c *conn, d *Device) {
	if d.conn != nil {
		d.conn.breakWith(streamError("", node{Tag: "conflict", Attrs: attrs{"type": "replaced"}}))
	}
	c.device, d.conn = d, c
	s.history.add(Record{Op: OpLogin, Device: d.name()})
	c.send(node{Tag: "success", Attrs: attrs{
		"t": stamp(time.Now()), "lid": at(d.phone.lid, d.number), "location": "sim", "companion_enc_static": "",
	}})
	count := map[string]int{}
	for _, w := range d.queue {
		count[w.node.Tag]++
	}
	c.send(node{Tag: "ib", Attrs: attrs{"from": types.ServerJID}, Content: []node{{Tag: "offline_preview", Attrs: attrs{
		"count": strconv.Itoa(len(d.queue)), "message": strconv.Itoa(count["message"]), "receipt": strconv.Itoa(count["receipt"]),
		"notification": strconv.Itoa(count["notification"]), "appdata": "0",
	}}}})
	for _, w := range d.queue {
		c.send(w.node)
	}
	c.send(node{Tag: "ib", Attrs: attrs{"from": types.ServerJID}, Content: []node{{
		Tag: "offline", Attrs: attrs{"count": strconv.Itoa(len(d.queue))},
	}}})
	d.tell()
}

// leave forgets a connection that has ended.
func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	for _, ref := range c.advertised {
		delete(s.refs, ref)
	}
	if c.code != nil {
		delete(s.codes, c.code.ref)
	}
	if d := c.device; d != nil && d.conn == c {
		d.conn, d.present = nil, false
		s.history.add(Record{Op: OpDrop, Device: d.name()})
		d.tell()
	}
}

// site is the page that names the newest version of the client.
func (s *Server) site(out http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(out, `<script>{"server_revision":%[1]d,"client_revision":%[1]d,"tier":"sim"}</script>`, s.revision)
}

// Drop cuts a device's connection, without a word.
func (s *Server) Drop(d *Device) {
	if c := s.connOf(d); c != nil {
		c.cut()
	}
}

// CutMidFrame ends a device's connection in the middle of a frame.
func (s *Server) CutMidFrame(d *Device) {
	if c := s.connOf(d); c != nil {
		c.push(outgoing{half: true, node: &node{Tag: "notification", Attrs: attrs{
			"type": "server", "from": types.ServerJID, "id": "0", "t": stamp(time.Now()),
		}}})
	}
}

// Replace tells a device that it has logged in elsewhere, and ends its stream.
func (s *Server) Replace(d *Device) {
	if c := s.connOf(d); c != nil {
		c.breakWith(streamError("", node{Tag: "conflict", Attrs: attrs{"type": "replaced"}}))
	}
}

// Restart ends a device's stream as a server does that goes down for a while: stream error 503.
func (s *Server) Restart(d *Device) {
	if c := s.connOf(d); c != nil {
		c.breakWith(streamError("503"))
	}
}

// Outdate refuses clients older than a version that the site offers from now on.
func (s *Server) Outdate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision += 1000
	s.minimum = s.revision
}

// Revision is the version of the client that the site offers.
func (s *Server) Revision() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// Refuse lets the next log-ins fail, each for one of the reasons.
func (s *Server) Refuse(reasons ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = append(s.refuse, reasons...)
}

// Ban cuts a device's connection and refuses its log-in for a while.
func (s *Server) Ban(d *Device, duration time.Duration) {
	s.mu.Lock()
	d.banned = time.Now().Add(duration)
	s.mu.Unlock()
	s.Drop(d)
}

// connOf is a device's connection, if it has one.
func (s *Server) connOf(d *Device) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.conn
}
