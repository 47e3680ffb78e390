package whatsapp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// keptToSend is how many messages a phone keeps at least, to send them again.
const keptToSend = 20_000

// sent is a message that a phone has sent.
type sent struct {
	id      string
	to      *Phone // nobody in a group
	group   *Group
	peer    bool // for its own devices alone, about their work
	time    time.Time
	content *waE2E.Message
}

// chat is where it went.
func (m *sent) chat() types.JID {
	if m.group != nil {
		return m.group.JID()
	}
	return m.to.lid
}

// errOffline is for a phone that is told to speak while it is off the network.
var errOffline = errors.New("the phone is offline")

// Send sends a message to a number, to all of its devices and to the phone's own linked ones, and answers the message's id.
func (p *Phone) Send(to string, m *waE2E.Message) (string, error) { return p.sendTo(to, m, false) }

// SendBroken sends a message that nobody can decrypt, until it is asked for again.
func (p *Phone) SendBroken(to string, m *waE2E.Message) (string, error) { return p.sendTo(to, m, true) }

func (p *Phone) sendTo(to string, m *waE2E.Message, broken bool) (string, error) {
	s := p.server
	s.mu.Lock()
	recipient := s.find(types.NewJID(to, types.DefaultUserServer))
	s.mu.Unlock()
	if recipient == nil {
		return "", fmt.Errorf("send to %s: %w", to, errNobody)
	}
	return p.transmit(&sent{to: recipient, content: m}, broken)
}

// SendGroup sends a message to a group that the phone is in.
func (p *Phone) SendGroup(g *Group, m *waE2E.Message) (string, error) {
	p.server.mu.Lock()
	in := g.has(p)
	p.server.mu.Unlock()
	if !in {
		return "", fmt.Errorf("phone %s is not in the group %s", p.Number(), g.JID())
	}
	return p.transmit(&sent{group: g, content: m}, false)
}

// transmit brings a message to everybody who gets it.
func (p *Phone) transmit(m *sent, broken bool) (string, error) {
	m.id, m.time = messageID(), time.Now()
	handsets, err := p.encryptFor(m, broken)
	if err != nil {
		return "", err
	}
	for _, other := range handsets {
		other.catch(func() { other.obtain(p, m) })
	}
	return m.id, nil
}

// encryptFor queues a message for all linked devices that get it, in order, and answers the phones that get it in the clear: what
// stays within the simulation needs no encryption.
func (p *Phone) encryptFor(m *sent, broken bool) ([]*Phone, error) {
	p.signal.Lock()
	defer p.signal.Unlock()
	p.server.mu.Lock()
	if p.offline {
		p.server.mu.Unlock()
		return nil, fmt.Errorf("phone %s: %w", p.number, errOffline)
	}
	phones := []*Phone{p}
	switch {
	case m.group != nil:
		phones = m.group.phones()
	case m.to != p && !m.to.blocked[p]:
		m.to.met[p] = true
		phones = append(phones, m.to)
	}
	var devices []*Device
	for _, other := range phones {
		devices = append(devices, other.linked()...)
	}
	p.server.mu.Unlock()
	p.keep(m)
	if err := p.queueFor(devices, m, broken); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(phones, func(other *Phone) bool { return other == p }), nil
}

// keep remembers a message, for who asks for it again. The caller holds the signal lock.
func (p *Phone) keep(m *sent) {
	p.outbox[m.id] = m
	p.order = append(p.order, m.id)
	if len(p.order) > 2*keptToSend {
		for _, id := range p.order[:keptToSend] {
			delete(p.outbox, id)
		}
		p.order = slices.Clone(p.order[keptToSend:])
	}
}

// queueFor encrypts a message for linked devices and queues it. The caller holds the signal lock, so that each device gets messages
// in the order in which they were encrypted.
func (p *Phone) queueFor(devices []*Device, m *sent, broken bool) error {
	h := p.handsets[0]
	var all shared
	if m.group != nil && len(devices) > 0 {
		p.renewKey(h, m.group)
		var err error
		if all, err = h.share(m.group.JID().String(), m.content); err != nil {
			return fmt.Errorf("encrypt for the group: %w", err)
		}
	}
	for _, d := range devices {
		encs, err := p.encsFor(h, d, m, all)
		if err != nil {
			return err
		}
		if broken {
			b, _ := encs[0].Content.([]byte)
			b[len(b)-1] ^= 0xff
		}
		p.server.mu.Lock()
		p.server.history.add(Record{Op: OpInbound, Device: d.name(), From: p.number, ID: m.id, Kind: kindOf(m.content), Text: textOf(m.content)})
		d.enqueue(p.stanza(d, m, encs...))
		p.server.mu.Unlock()
	}
	return nil
}

// renewKey makes a new key for a group that somebody has left. The caller holds the signal lock.
func (p *Phone) renewKey(h *handset, g *Group) {
	p.server.mu.Lock()
	stale := p.stale[g.id]
	delete(p.stale, g.id)
	p.server.mu.Unlock()
	if stale {
		delete(h.knows, g.JID().String())
		h.memory.forget(g.JID().String(), h.senderKey(g.JID().String()).Sender().String())
	}
}

// encsFor is what one device gets: in a group the sender's key, if the device does not have it, and what is encrypted for all.
func (p *Phone) encsFor(h *handset, d *Device, m *sent, all shared) ([]node, error) {
	content := m.content
	switch {
	case m.group != nil:
		name := m.group.JID().String()
		if h.knows[name][d] {
			return []node{*all.enc}, nil
		}
		if h.knows[name] == nil {
			h.knows[name] = map[*Device]bool{}
		}
		h.knows[name][d] = true
		content = all.key
	case d.phone == p && !m.peer:
		content = sentByDevice(m.to.lid, content)
	}
	address := at(d.phone.lid, d.number)
	bundle := p.sessionFor(h, d, &node{})
	enc, err := h.encrypt(address, bundle, content)
	if err != nil {
		return nil, err
	}
	if kind := mediaTypeOf(m.content); kind != "" {
		enc.Attrs["mediatype"] = kind
	}
	if m.group != nil {
		return []node{*enc, *all.enc}, nil
	}
	return []node{*enc}, nil
}

// sentByDevice wraps a message for the sender's own other devices.
func sentByDevice(to types.JID, m *waE2E.Message) *waE2E.Message {
	return &waE2E.Message{
		DeviceSentMessage:  &waE2E.DeviceSentMessage{DestinationJID: proto.String(to.String()), Message: m},
		MessageContextInfo: m.GetMessageContextInfo(),
	}
}

// stanza is a phone's message as a device gets it. The caller holds the server's lock.
func (p *Phone) stanza(d *Device, m *sent, encs ...node) node {
	n := node{Tag: "message", Attrs: attrs{"id": m.id, "t": stamp(m.time), "type": stanzaKind(m.content), "notify": p.name}, Content: encs}
	if edit := editOf(m.content); edit != "" {
		n.Attrs["edit"] = edit
	}
	switch {
	case m.group != nil:
		n.Attrs["from"], n.Attrs["participant"] = m.group.JID(), p.named(m.group.mode == types.AddressingModeLID)
		m.group.address(n.Attrs, p)
	case m.peer:
		n.Attrs["from"], n.Attrs["category"] = p.lid, "peer"
	case d.phone == p:
		n.Attrs["from"], n.Attrs["recipient"], n.Attrs["peer_recipient_pn"] = p.lid, m.to.lid, m.to.numbered()
	default:
		p.nameIn(n.Attrs, 0)
		if p.business != "" {
			n.Content = append(encs, p.verifiedName())
		}
	}
	return n
}

// obtain takes a message from another phone of the simulation.
func (p *Phone) obtain(from *Phone, m *sent) {
	s := p.server
	s.mu.Lock()
	got := Message{
		ID: m.id, From: from.number, Time: m.time, Kind: stanzaKind(m.content), MediaType: mediaTypeOf(m.content), Edit: editOf(m.content), Content: m.content,
	}
	if m.group != nil {
		got.Group = m.group.JID().String()
	} else {
		got.To = p.number
	}
	p.append(&p.received, got)
	p.tell()
	silent, reads := p.silent, p.reads
	s.mu.Unlock()
	if silent {
		return
	}
	p.report(from, m.group, 0, true, "", m.id)
	if reads {
		p.report(from, m.group, 0, true, "read", m.id)
	}
}

// messageID makes an id as a telephone does.
func messageID() string { return "3A" + strings.ToUpper(hex.EncodeToString(random(9))) }
