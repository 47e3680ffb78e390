package whatsapp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// confirm says that a message is delivered, and that it is read, to all devices of the sender.
func (p *Phone) confirm(h *handset, e envelope, read bool) {
	s := p.server
	if e.fate.mute || p.isSilent() {
		return
	}
	s.after(s.config.ReceiptDelay+e.fate.receiptDelay, func() {
		for range 1 + e.fate.repeat {
			p.report(e.from.phone, e.group, h.number, e.byLID, "", e.id)
		}
		if !read {
			return
		}
		s.after(s.config.ReceiptDelay, func() {
			for range 1 + e.fate.repeat {
				p.report(e.from.phone, e.group, 0, e.byLID, "read", e.id)
			}
		})
	})
}

func (p *Phone) isSilent() bool {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.silent
}

// report tells all devices of somebody what became of messages: one receipt for all of them.
func (p *Phone) report(to *Phone, group *Group, device uint16, byLID bool, kind string, ids ...string) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	n := node{Tag: "receipt", Attrs: attrs{"id": ids[0], "t": stamp(time.Now())}}
	if kind != "" {
		n.Attrs["type"] = kind
	}
	name := at(p.named(byLID), device)
	n.Attrs["from"] = name
	if group != nil {
		n.Attrs["from"], n.Attrs["participant"] = group.JID(), name
	}
	if len(ids) > 1 {
		var items []node
		for _, id := range ids[1:] {
			items = append(items, node{Tag: "item", Attrs: attrs{"id": id}})
		}
		n.Content = []node{{Tag: "list", Content: items}}
	}
	for _, d := range to.linked() {
		for _, id := range ids {
			s.history.add(Record{Op: OpReceipt, Device: d.name(), From: p.number, ID: id, Kind: kind})
		}
		d.enqueue(n)
	}
	to.heard(p, int(device), group, kind, ids)
}

// heard writes down what somebody said of messages. The caller holds the server's lock.
func (p *Phone) heard(from *Phone, device int, group *Group, kind string, ids []string) {
	for _, id := range ids {
		r := Receipt{ID: id, From: from.number, Device: device, Type: kind, Time: time.Now()}
		if group != nil {
			r.Group = group.JID().String()
		}
		p.receipts = append(p.receipts, r)
	}
	if p.automatic && len(p.receipts) > 2*keptUnasked {
		p.receipts = slices.Clone(p.receipts[keptUnasked:])
	}
	p.tell()
}

// Read says that it has read messages, to who sent them: all of one sender, in one chat.
func (p *Phone) Read(ids ...string) error { return p.tellSender("read", ids) }

// Played says that it has listened to voice notes.
func (p *Phone) Played(ids ...string) error { return p.tellSender("played", ids) }

// Delivered says once more that messages are delivered.
func (p *Phone) Delivered(ids ...string) error { return p.tellSender("", ids) }

func (p *Phone) tellSender(kind string, ids []string) error {
	s := p.server
	s.mu.Lock()
	var first *Message
	for _, id := range ids {
		i := slices.IndexFunc(p.received, func(m Message) bool { return m.ID == id })
		if i < 0 {
			s.mu.Unlock()
			return fmt.Errorf("phone %s has no message %s", p.number, id)
		}
		first = &p.received[i]
	}
	if first == nil {
		s.mu.Unlock()
		return fmt.Errorf("phone %s is told of no message", p.number)
	}
	sender, group := s.person(first.From), s.groupNamed(first.Group)
	s.mu.Unlock()
	p.report(sender, group, 0, group == nil || group.mode == types.AddressingModeLID, kind, ids...)
	return nil
}

// receipt takes what a linked device says of messages, acknowledges it and brings it to who sent them.
func (s *Server) receipt(c *conn, n *node) {
	d, kind := c.device, text(n, "type")
	ack := node{Tag: "ack", Attrs: attrs{"class": "receipt", "id": text(n, "id"), "from": jid(n, "to")}}
	for _, name := range []string{"type", "participant"} {
		if value, ok := n.Attrs[name]; ok {
			ack.Attrs[name] = value
		}
	}
	c.send(ack)
	author, group := jid(n, "to"), (*Group)(nil)
	s.mu.Lock()
	if author.Server == types.GroupServer {
		group, author = s.groups[author.User], jid(n, "participant")
	}
	p := s.find(author)
	s.mu.Unlock()
	switch kind {
	case "", "inactive", "sender", "peer_msg", "hist_sync", "retry":
		d.settle(n, "message")
	}
	if p == nil {
		return
	}
	switch kind {
	case "server-error":
		s.uploadAgain(d, n)
	case "retry":
		s.retry(d, n, p, author, group)
	case "", "inactive", "read", "played", "read-self", "played-self":
		s.told(d, n, p, author, group)
	}
}

// told brings a receipt to a phone and to its linked devices.
func (s *Server) told(d *Device, n *node, p *Phone, author types.JID, group *Group) {
	ids := []string{text(n, "id")}
	list, _ := n.GetOptionalChildByTag("list")
	for _, item := range list.GetChildren() {
		if item.Tag == "item" {
			ids = append(ids, text(&item, "id"))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := text(n, "type")
	for _, id := range ids {
		if kind != "" && kind != "inactive" { // that it is delivered is told by the acknowledgement
			s.history.add(Record{Op: OpRead, Device: d.name(), To: p.number, ID: id, Kind: kind})
		}
	}
	if p == d.phone {
		return // it read its own elsewhere
	}
	p.heard(d.phone, int(d.number), group, kind, ids)
	for _, other := range p.linked() {
		copied := node{Tag: "receipt", Attrs: attrs{"id": ids[0], "t": stamp(time.Now())}, Content: n.Content}
		if kind != "" {
			copied.Attrs["type"] = kind
		}
		name := at(d.phone.named(author.Server == types.HiddenUserServer), d.number)
		copied.Attrs["from"] = name
		if group != nil {
			copied.Attrs["from"], copied.Attrs["participant"] = group.JID(), name
		}
		other.enqueue(copied)
	}
}

// mostRetries is how often a message is asked for again.
const mostRetries = 5

// askAgain asks the sending device for a message that could not be decrypted, with keys for a new session.
func (p *Phone) askAgain(h *handset, e envelope) {
	if e.peer {
		return // the library does not send these again
	}
	p.signal.Lock()
	count := h.asked[e.id] + 1
	h.asked[e.id] = count
	p.signal.Unlock()
	if count > mostRetries {
		return
	}
	keys := h.bundle()
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	name := at(p.named(e.byLID), h.number)
	n := node{Tag: "receipt", Attrs: attrs{"id": e.id, "type": "retry", "t": stamp(time.Now()), "from": name}, Content: []node{
		{Tag: "retry", Attrs: attrs{"count": strconv.Itoa(count), "id": e.id, "t": stamp(e.time), "v": "1"}},
		keys[0], // the registration stands apart
		{Tag: "keys", Content: keys[1:]},
	}}
	switch {
	case e.group != nil:
		n.Attrs["from"], n.Attrs["participant"] = e.group.JID(), name
	case e.from.phone == p:
		n.Attrs["recipient"] = e.to.lid // the chat that this is a copy from
	}
	e.from.enqueue(n)
}

// retry brings a request for a message to the device that sent it.
func (s *Server) retry(d *Device, n *node, p *Phone, author types.JID, group *Group) {
	s.mu.Lock()
	other := p.devices[author.Device]
	if other != nil {
		copied := node{Tag: "receipt", Attrs: attrs{"id": text(n, "id"), "type": "retry", "t": stamp(time.Now())}, Content: n.Content}
		name := at(d.phone.named(author.Server == types.HiddenUserServer), d.number)
		copied.Attrs["from"] = name
		if group != nil {
			copied.Attrs["from"], copied.Attrs["participant"] = group.JID(), name
		}
		other.enqueue(copied)
	}
	s.mu.Unlock()
	if other == nil {
		p.catch(func() { p.resend(d, n, group) })
	}
}

// resend encrypts a message again for a device that could not read it.
func (p *Phone) resend(d *Device, n *node, group *Group) {
	p.signal.Lock()
	defer p.signal.Unlock()
	kept := p.outbox[text(n, "id")]
	if kept == nil {
		return // too long ago
	}
	h := p.handsets[0]
	content := kept.content
	if group != nil {
		distribution, err := h.teach(group.JID().String())
		if err != nil {
			return
		}
		content = proto.Clone(content).(*waE2E.Message)
		content.SenderKeyDistributionMessage = distribution.SenderKeyDistributionMessage
	} else if d.phone == p && !kept.peer {
		content = sentByDevice(kept.to.lid, content)
	}
	enc, err := h.encrypt(at(d.phone.lid, d.number), p.sessionFor(h, d, n), content)
	if err != nil {
		p.server.config.Log.Warn("send again", "error", err)
		return
	}
	request := n.GetChildByTag("retry")
	enc.Attrs["count"] = text(&request, "count")
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	d.enqueue(p.stanza(d, kept, *enc))
}

// sessionFor is the bundle that a request brings, or a fresh one when there is no session. The caller holds the signal lock.
func (p *Phone) sessionFor(h *handset, d *Device, n *node) *prekey.Bundle {
	if keys, ok := n.GetOptionalChildByTag("keys"); ok {
		if b := bundleFrom(d, octets(n, "registration"), &keys); b != nil {
			return b
		}
	}
	if h.hasSession(at(d.phone.lid, d.number)) {
		return nil
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return d.bundle()
}

// bundleFrom reads the keys of a request for a message.
func bundleFrom(d *Device, registration []byte, keys *node) *prekey.Bundle {
	id := octets(keys, "identity")
	once, err := keyFrom(keys.GetChildByTag("key"))
	if err != nil || len(id) != 32 || len(registration) != 4 {
		return nil
	}
	signed, err := signedFrom(keys.GetChildByTag("skey"))
	if err != nil {
		return nil
	}
	return prekey.NewBundle(binary.BigEndian.Uint32(registration), uint32(d.number), optional.NewOptionalUint32(once.number()), signed.number(),
		ecc.NewDjbECPublicKey(once.public), ecc.NewDjbECPublicKey(signed.public), signed.signature,
		identity.NewKey(ecc.NewDjbECPublicKey([32]byte(id))))
}
