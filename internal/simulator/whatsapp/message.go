package whatsapp

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// envelope is what the server knows of a message that a linked device sends.
type envelope struct {
	id       string
	kind     string
	edit     string
	from     *Device
	to       *Phone // nobody in a group
	group    *Group
	byLID    bool // how the sender named the recipient, and is named to it
	time     time.Time
	peer     bool // from a device to its own telephone
	direct   bool // for one device alone, which has asked for it again or is the sender's own telephone
	repeated bool
	fate     fate
	stanza   *node
}

// message takes a message from a linked device, answers it and delivers it.
func (s *Server) message(c *conn, n *node) {
	e, code := s.envelope(c.device, n)
	s.record(e, code)
	switch {
	case e.fate.drop:
		c.cut()
		return
	case code != "":
		s.acknowledge(c, e, code)
		return
	case e.fate.receiptFirst:
		s.deliver(e)
		s.acknowledge(c, e, "")
		return
	}
	s.after(s.patience(c.device)+e.fate.answerDelay, func() {
		s.acknowledge(c, e, "")
		s.deliver(e)
	})
}

// envelope finds out whom a message is for, and whether the server takes it.
func (s *Server) envelope(d *Device, n *node) (e envelope, code string) {
	to := jid(n, "to")
	e = envelope{
		id: text(n, "id"), kind: text(n, "type"), edit: text(n, "edit"), from: d, byLID: to.Server != types.DefaultUserServer,
		time: time.Now(), peer: text(n, "category") == "peer", stanza: n,
	}
	e.direct = has(n, "enc") && (to.Server != types.GroupServer || !jid(n, "participant").IsEmpty())
	s.mu.Lock()
	defer s.mu.Unlock()
	if code = s.address(&e); code != "" {
		return e, code
	}
	if d.faults.refuse != "" {
		return e, d.faults.refuse
	}
	if e.to != nil && e.to != d.phone {
		if time.Now().Before(d.phone.locked) && !d.phone.met[e.to] {
			return e, timelocked
		}
		if !e.direct {
			e.fate = s.fateOf(e.to, d)
		}
	}
	if !e.direct && !e.fate.drop && e.fate.code == "" {
		e.repeated = d.repeated(e.id)
	}
	return e, e.fate.code
}

// address finds the recipient of a message, or the error for one that may not be written to. The caller holds the lock.
func (s *Server) address(e *envelope) (code string) {
	to := jid(e.stanza, "to")
	if to.Server == types.GroupServer {
		e.group = s.groups[to.User]
		if e.group == nil {
			return "404"
		}
		e.byLID = e.group.mode == types.AddressingModeLID
		if !e.group.has(e.from.phone) || e.group.announce && !e.group.members[e.from.phone].admin {
			return "403"
		}
		return ""
	}
	if chat := jid(e.stanza, "recipient"); e.direct && !chat.IsEmpty() {
		to = chat // it is for one of the sender's own devices, about this chat
	}
	if e.to = s.find(to); e.to == nil {
		return "404"
	}
	return ""
}

// patience is how long a device waits for its answers.
func (s *Server) patience(d *Device) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.AnswerDelay + d.faults.delay
}

// acknowledge answers a message, unless the sender's number or a fault says not to.
func (s *Server) acknowledge(c *conn, e envelope, code string) {
	if e.fate.silent {
		return
	}
	ack := node{Tag: "ack", Attrs: attrs{"class": "message", "id": e.id, "from": jid(e.stanza, "to"), "t": stamp(e.time)}}
	if code != "" {
		ack.Attrs["error"] = code
	}
	s.mu.Lock()
	if e.group != nil && text(e.stanza, "phash") != "" {
		if sum := e.group.participantHash(); sum != text(e.stanza, "phash") {
			ack.Attrs["phash"] = sum
		}
	}
	withheld := e.from.faults.withhold != 0
	if e.from.faults.withhold > 0 {
		e.from.faults.withhold--
	}
	s.mu.Unlock()
	if !withheld {
		c.send(ack)
	}
}

// record tells of a message from a device.
func (s *Server) record(e envelope, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Record{Op: OpMessage, Device: e.from.name(), ID: e.id, Kind: e.kind, Error: code, Repeat: e.repeated}
	switch {
	case e.peer:
		return
	case e.group != nil:
		r.To = e.group.JID().String()
	case e.to != nil:
		r.To = e.to.number
	}
	if e.fate.drop {
		r.Error = "dropped"
	}
	s.history.add(r)
}

// deliver brings each device its part of a message.
func (s *Server) deliver(e envelope) {
	for _, to := range s.addressed(e) {
		if to.handset != nil {
			to.phone.catch(func() { to.phone.take(to.handset, e, to.encs) })
			continue
		}
		s.mu.Lock()
		to.device.enqueue(to.device.forwarded(e, to.encs))
		s.mu.Unlock()
	}
}

// destination is a device that gets a message, and what is encrypted for it: in a group the sender's key first, if it is new.
type destination struct {
	phone   *Phone
	handset *handset
	device  *Device
	encs    []node
}

// addressed lists who gets a message. A recipient who has blocked the sender gets none, and nobody is told.
func (s *Server) addressed(e envelope) []destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared := e.stanza.GetChildrenByTag("enc")
	if e.group == nil && len(shared) > 0 || jid(e.stanza, "participant") != (types.JID{}) { // for one device
		name := jid(e.stanza, "to")
		if p := jid(e.stanza, "participant"); !p.IsEmpty() {
			name = p
		}
		return s.destinations(nil, e, name, shared)
	}
	var found []destination
	reached := map[types.JID]bool{}
	participants, _ := e.stanza.GetOptionalChildByTag("participants")
	for _, to := range participants.GetChildren() {
		if to.Tag == "to" {
			found = s.destinations(found, e, jid(&to, "jid"), append(to.GetChildren(), shared...))
			reached[jid(&to, "jid")] = true
		}
	}
	if e.group != nil {
		for _, name := range e.group.devices() {
			if !reached[name] {
				found = s.destinations(found, e, name, shared)
			}
		}
	}
	return found
}

// destinations adds the device that a JID names, if it is there and is not the sender. The caller holds the lock.
func (s *Server) destinations(found []destination, e envelope, name types.JID, encs []node) []destination {
	p := s.find(name)
	if p == nil || p.blocked[e.from.phone] || e.fate.lost && p != e.from.phone || e.group != nil && !e.group.has(p) {
		return found
	}
	if h := p.handset(name.Device); h != nil {
		return append(found, destination{phone: p, handset: h, encs: encs})
	}
	if d := p.devices[name.Device]; d != nil && d != e.from {
		return append(found, destination{phone: p, device: d, encs: encs})
	}
	return found
}

// forwarded is a message of another client as this device gets it. The caller holds the lock.
func (d *Device) forwarded(e envelope, encs []node) node {
	from := e.from.phone
	n := node{Tag: "message", Attrs: attrs{"id": e.id, "t": stamp(e.time), "type": e.kind, "notify": from.name}, Content: encs}
	if e.edit != "" {
		n.Attrs["edit"] = e.edit
	}
	if identity, ok := e.stanza.GetOptionalChildByTag("device-identity"); ok {
		n.Content = append(slices.Clone(encs), identity)
	}
	switch {
	case e.group != nil:
		n.Attrs["from"], n.Attrs["participant"] = e.group.JID(), at(from.named(e.byLID), e.from.number)
		e.group.address(n.Attrs, from)
	case from == d.phone:
		n.Attrs["from"], n.Attrs["recipient"] = at(from.lid, e.from.number), e.to.lid
		n.Attrs["peer_recipient_pn"] = e.to.numbered()
	default:
		from.nameIn(n.Attrs, e.from.number)
	}
	return n
}

// nameIn writes who sends a direct message. The caller holds the server's lock.
func (p *Phone) nameIn(a attrs, device uint16) {
	switch p.addressing {
	case ByNumber:
		a["from"], a["sender_lid"] = at(p.numbered(), device), p.lid
	case ByLIDOnly:
		a["from"] = at(p.lid, device)
	default:
		a["from"], a["sender_pn"] = at(p.lid, device), p.numbered()
	}
}

// take decrypts a message for one of the phone's simulated devices, and says that it is there, or asks for it again.
func (p *Phone) take(h *handset, e envelope, encs []node) {
	m, err := p.read(h, e, encs)
	switch {
	case errors.Is(err, signalerror.ErrOldCounter):
		p.again(h, e)
	case err != nil:
		p.askAgain(h, e)
	case e.peer:
		p.obey(e.from, m)
	case onlySenderKey(m):
	case m.GetDeviceSentMessage() != nil:
		if h.number == 0 && e.from.phone == p {
			p.note(&p.copies, e, encs, m.GetDeviceSentMessage().GetMessage())
		}
	case h.number != 0:
		p.confirm(h, e, false)
	default:
		p.note(&p.received, e, encs, m)
		p.confirm(h, e, p.readsNow())
		if e.fate.reply != nil && !e.repeated {
			_, _ = p.Send(e.from.phone.Number(), Text(e.fate.reply(textOf(m))))
		}
	}
}

// read decrypts all parts, learns the sender's key, and answers the last part.
func (p *Phone) read(h *handset, e envelope, encs []node) (m *waE2E.Message, err error) {
	p.server.mu.Lock()
	if p.failing > 0 && h.number == 0 && !e.direct {
		p.failing--
		p.server.mu.Unlock()
		return nil, errors.New("told to fail")
	}
	from := at(e.from.phone.lid, e.from.number)
	p.server.mu.Unlock()
	group := ""
	if e.group != nil {
		group = e.group.JID().String()
	}
	p.signal.Lock()
	defer p.signal.Unlock()
	m = &waE2E.Message{}
	for i := range encs {
		if encs[i].Tag != "enc" {
			continue
		}
		if m, err = h.decrypt(from, group, &encs[i]); err != nil {
			return nil, err
		}
		if key := m.GetSenderKeyDistributionMessage(); key != nil && group != "" {
			if err := h.learn(from, group, key.GetAxolotlSenderKeyDistributionMessage()); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// onlySenderKey tells whether there is nothing in a message for a person.
func onlySenderKey(m *waE2E.Message) bool {
	return m.GetSenderKeyDistributionMessage() != nil && kindOf(m) == ""
}

func (p *Phone) readsNow() bool {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.reads
}

// keptCopies is how many messages of its own devices a phone keeps at least.
const keptCopies = 1000

// keptUnasked is how many messages somebody keeps whom nobody has in hand.
const keptUnasked = 100

// note writes down a message; one whose id is known is counted as a repeat.
func (p *Phone) note(log *[]Message, e envelope, encs []node, content *waE2E.Message) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	defer p.tell()
	from := e.from.phone
	for i := range slices.Backward(*log) {
		if old := &(*log)[i]; old.ID == e.id && old.From == from.number && old.Device == int(e.from.number) {
			old.Repeats++
			return
		}
	}
	m := Message{
		ID: e.id, From: from.number, Device: int(e.from.number), Time: e.time, Kind: e.kind, Edit: e.edit, Content: content,
	}
	if e.group != nil {
		m.Group = e.group.JID().String()
	} else {
		m.To = e.to.number
	}
	for i := range encs {
		if kind := text(&encs[i], "mediatype"); kind != "" {
			m.MediaType = kind
		}
		if n, err := strconv.Atoi(text(&encs[i], "count")); err == nil {
			m.Retries = n
		}
	}
	p.append(log, m)
	if log == &p.copies && len(p.copies) > 2*keptCopies {
		p.copies = slices.Clone(p.copies[keptCopies:])
	}
	if log == &p.received {
		p.server.history.add(Record{Op: OpReceived, Device: e.from.name(), To: p.number, ID: m.ID, Kind: m.Kind, Text: m.Text()})
	}
}

func (p *Phone) append(log *[]Message, m Message) {
	*log = append(*log, m)
	if p.automatic && len(*log) > 2*keptUnasked {
		p.taken = max(0, p.taken-keptUnasked)
		*log = slices.Clone((*log)[keptUnasked:])
	}
}

// again counts a message that has come before, and confirms it as before: the sender may not have heard.
func (p *Phone) again(h *handset, e envelope) {
	if e.peer || e.from.phone == p {
		return
	}
	p.server.mu.Lock()
	for i := range slices.Backward(p.received) {
		if p.received[i].ID == e.id && h.number == 0 {
			p.received[i].Repeats++
			break
		}
	}
	p.tell()
	p.server.mu.Unlock()
	p.confirm(h, e, p.readsNow() && h.number == 0)
}

// participantHash is how client and server compare what they know of a group's devices.
func participantHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}
