package whatsapp

import (
	"context"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// presence takes what a device says of itself, or that it wants to know of somebody.
func (s *Server) presence(c *conn, n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch text(n, "type") {
	case "available":
		c.device.present = true
	case "unavailable":
		c.device.present = false
	case "subscribe":
		if p := s.find(jid(n, "to")); p != nil {
			p.watchers[c.device] = true
			c.send(p.presenceNode())
		}
	}
}

// presenceNode says whether the phone is online. The caller holds the server's lock.
func (p *Phone) presenceNode() node {
	n := node{Tag: "presence", Attrs: attrs{"from": p.lid}}
	if p.offline {
		n.Attrs["type"], n.Attrs["last"] = "unavailable", stamp(time.Now())
	}
	return n
}

// Present tells the devices that watch the phone that it is online, or is not.
func (p *Phone) Present(online bool) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	n := node{Tag: "presence", Attrs: attrs{"from": p.lid}}
	if !online {
		n.Attrs["type"], n.Attrs["last"] = "unavailable", stamp(time.Now())
	}
	for d := range p.watchers {
		if d.conn != nil {
			d.conn.send(n)
		}
	}
}

// Available tells whether the device calls itself available.
func (d *Device) Available() bool {
	d.phone.server.mu.Lock()
	defer d.phone.server.mu.Unlock()
	return d.present
}

// chatState brings what a device types to whom it types it.
func (s *Server) chatState(c *conn, n *node) {
	children := n.GetChildren()
	to := jid(n, "to")
	if len(children) != 1 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := c.device.phone
	targets := []*Phone{s.find(to)}
	if g := s.groups[to.User]; g != nil && to.Server == types.GroupServer {
		targets = g.phones()
	}
	for _, p := range targets {
		if p == nil || p == from || p.blocked[from] {
			continue
		}
		p.typing = append(p.typing, Typing{From: from.number, State: children[0].Tag, Media: text(&children[0], "media")})
		if p.automatic && len(p.typing) > keptUnasked {
			p.typing = p.typing[1:]
		}
		p.tell()
		for _, d := range p.linked() {
			d.flash(node{Tag: "chatstate", Attrs: attrs{"from": from.lid}, Content: children})
		}
	}
}

// flash sends a device what is worth nothing later. The caller holds the lock.
func (d *Device) flash(n node) {
	if d.conn != nil {
		d.conn.send(n)
	}
}

// Typing shows a number that the phone types, or has stopped.
func (p *Phone) Typing(to string, typing bool) error {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.find(types.NewJID(to, types.DefaultUserServer))
	if other == nil {
		return fmt.Errorf("type to %s: %w", to, errNobody)
	}
	state := "paused"
	if typing {
		state = "composing"
	}
	for _, d := range other.linked() {
		d.flash(node{Tag: "chatstate", Attrs: attrs{"from": p.named(p.addressing != ByNumber)}, Content: []node{{Tag: state}}})
	}
	return nil
}

// Call is a call that a phone makes.
type Call struct {
	ID   string
	from *Phone
	to   *Phone

	rejected bool
	ended    bool
}

// Call rings at all devices of a number.
func (p *Phone) Call(to string, video bool) (*Call, error) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.find(types.NewJID(to, types.DefaultUserServer))
	if other == nil {
		return nil, fmt.Errorf("call %s: %w", to, errNobody)
	}
	call := &Call{ID: messageID(), from: p, to: other}
	p.calls = append(p.calls, call)
	media := node{Tag: "audio", Attrs: attrs{"enc": "opus", "rate": "16000"}}
	if video {
		media = node{Tag: "video", Attrs: attrs{"enc": "vp8"}}
	}
	if !other.blocked[p] {
		call.tell(node{Tag: "offer", Attrs: attrs{"call-id": call.ID, "call-creator": p.lid, "caller_pn": p.numbered()}, Content: []node{media}})
	}
	s.history.add(Record{Op: OpCall, From: p.number, To: other.number, ID: call.ID})
	return call, nil
}

// tell sends a call's stanza to all devices of who is called. The caller holds the server's lock.
func (c *Call) tell(child node) {
	for _, d := range c.to.linked() {
		d.enqueue(node{Tag: "call", Attrs: attrs{
			"from": c.from.lid, "id": c.from.server.stanzaID(), "t": stamp(time.Now()), "platform": "android", "version": "2.26.1", "notify": c.from.name,
		}, Content: []node{child}})
	}
}

// HangUp ends the call.
func (c *Call) HangUp() {
	c.from.server.mu.Lock()
	defer c.from.server.mu.Unlock()
	c.end("")
}

// end tells the called devices that it is over. The caller holds the server's lock.
func (c *Call) end(reason string) {
	if c.ended {
		return
	}
	c.ended = true
	c.tell(node{Tag: "terminate", Attrs: attrs{"call-id": c.ID, "call-creator": c.from.lid, "reason": reason}})
}

// AwaitRejected waits until who is called has rejected the call.
func (c *Call) AwaitRejected(ctx context.Context) error {
	return c.from.wait(ctx, func() bool { return c.rejected })
}

// call takes what a device does with a call.
func (s *Server) call(c *conn, n *node) {
	c.send(node{Tag: "ack", Attrs: attrs{"class": "call", "id": text(n, "id"), "from": jid(n, "to"), "type": callAction(n)}})
	reject, ok := n.GetOptionalChildByTag("reject")
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(jid(n, "to"))
	if p == nil {
		return
	}
	for _, call := range p.calls {
		if call.ID == text(&reject, "call-id") && call.to == c.device.phone {
			call.rejected = true
			call.end("rejected_elsewhere")
			s.history.add(Record{Op: OpCall, Device: c.device.name(), To: p.number, ID: call.ID, Kind: "reject"})
			p.tell()
		}
	}
}

func callAction(n *node) string {
	if children := n.GetChildren(); len(children) > 0 {
		return children[0].Tag
	}
	return ""
}
