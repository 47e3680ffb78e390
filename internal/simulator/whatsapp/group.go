package whatsapp

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// Group is some phones that write to each other. All of it is guarded by the server's lock.
type Group struct {
	server           *Server
	id               string
	mode             types.AddressingMode
	created          time.Time
	creator          *Phone
	subject          string
	topic            string
	topicID          string
	announce, locked bool
	invite           string
	picture          string
	members          map[*Phone]*member
	order            []*Phone
	changes          int
}

type member struct{ admin bool }

// CreateGroup makes a group of the phone and others, who are named in it by their numbers or by their LIDs.
func (p *Phone) CreateGroup(subject string, mode types.AddressingMode, numbers ...string) (*Group, error) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	others, err := s.people("add to a group", numbers)
	if err != nil {
		return nil, err
	}
	return s.newGroup(p, subject, mode, others), nil
}

// people are the phones of numbers; what they are for is for the error of a number that nobody has. The caller holds the lock.
func (s *Server) people(what string, numbers []string) (list []*Phone, err error) {
	for _, number := range numbers {
		p := s.find(types.NewJID(number, types.DefaultUserServer))
		if p == nil {
			return nil, fmt.Errorf("%s %s: %w", what, number, errNobody)
		}
		list = append(list, p)
	}
	return list, nil
}

// newGroup makes a group and tells the devices of all members. The caller holds the lock.
func (s *Server) newGroup(creator *Phone, subject string, mode types.AddressingMode, others []*Phone) *Group {
	s.serial++
	g := &Group{
		server: s, id: "120363" + fmt.Sprintf("%012d", s.serial), mode: mode, created: time.Now(), creator: creator, subject: subject,
		invite: base64.RawURLEncoding.EncodeToString(random(15)), members: map[*Phone]*member{},
	}
	s.groups[g.id] = g
	for _, p := range append([]*Phone{creator}, others...) {
		g.join(p)
	}
	g.members[creator].admin = true
	for _, p := range g.order {
		g.tell(p, creator, node{Tag: "create", Attrs: attrs{"type": "new", "reason": "invite"}, Content: []node{g.node()}})
	}
	return g
}

func (g *Group) join(p *Phone) {
	if g.members[p] == nil {
		g.members[p] = &member{}
		g.order = append(g.order, p)
	}
}

func (g *Group) drop(p *Phone) {
	delete(g.members, p)
	g.order = slices.DeleteFunc(g.order, func(other *Phone) bool { return other == p })
}

// JID is how WhatsApp names the group.
func (g *Group) JID() types.JID { return types.NewJID(g.id, types.GroupServer) }

// Group finds a group by its JID, which a client may have made.
func (s *Server) Group(jid types.JID) *Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[jid.User]
}

// groupNamed is Group for who holds the lock.
func (s *Server) groupNamed(jid string) *Group {
	id, _, _ := strings.Cut(jid, "@")
	return s.groups[id]
}

// Members is the numbers of who is in it.
func (g *Group) Members() []string {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	var numbers []string
	for _, p := range g.order {
		numbers = append(numbers, p.number)
	}
	return numbers
}

// Subject is its name.
func (g *Group) Subject() string {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	return g.subject
}

// Add lets a member add others.
func (g *Group) Add(by *Phone, numbers ...string) error { return g.change(by, "add", numbers) }

// Remove lets a member remove others, or leave.
func (g *Group) Remove(by *Phone, numbers ...string) error { return g.change(by, "remove", numbers) }

// Promote makes members admins.
func (g *Group) Promote(by *Phone, numbers ...string) error { return g.change(by, "promote", numbers) }

// Rename gives it another name.
func (g *Group) Rename(by *Phone, subject string) {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	g.rename(by, subject)
}

func (g *Group) change(by *Phone, action string, numbers []string) error {
	s := g.server
	s.mu.Lock()
	defer s.mu.Unlock()
	others, err := s.people(action, numbers)
	if err == nil {
		g.alter(by, action, others)
	}
	return err
}

// alter changes the members and tells all who are or were in it. The caller holds the lock.
func (g *Group) alter(by *Phone, action string, others []*Phone) {
	told := slices.Clone(g.order)
	for _, p := range others {
		switch m := g.members[p]; {
		case action == "add":
			g.join(p)
		case action == "remove":
			g.drop(p)
		case m != nil:
			m.admin = action == "promote"
		}
	}
	g.changes++
	change := node{Tag: action, Attrs: attrs{"v_id": strconv.Itoa(g.changes), "prev_v_id": strconv.Itoa(g.changes - 1)}, Content: g.participants(others)}
	for _, p := range told {
		g.tell(p, by, change)
	}
	if action == "add" {
		for _, p := range others {
			if !slices.Contains(told, p) {
				g.tell(p, by, node{Tag: "create", Attrs: attrs{"type": "existing", "reason": "invite"}, Content: []node{g.node()}})
			}
		}
	}
	if action == "remove" {
		g.forgetKeys()
	}
}

// forgetKeys makes all simulated members teach their keys anew, since somebody who has left must not read on. The caller holds the lock.
func (g *Group) forgetKeys() {
	for _, p := range g.order {
		p.stale[g.id] = true
	}
}

func (g *Group) rename(by *Phone, subject string) {
	g.subject = subject
	for _, p := range g.order {
		g.tell(p, by, node{Tag: "subject", Attrs: attrs{"subject": subject, "s_t": stamp(time.Now()), "s_o": by.named(g.byLID())}})
	}
}

func (g *Group) byLID() bool { return g.mode == types.AddressingModeLID }

// has tells whether a phone is in it. The caller holds the lock.
func (g *Group) has(p *Phone) bool { return g.members[p] != nil }

// phones is who is in it. The caller holds the lock.
func (g *Group) phones() []*Phone { return slices.Clone(g.order) }

// devices is the JIDs of all devices of its members. The caller holds the lock.
func (g *Group) devices() []types.JID {
	var all []types.JID
	for _, p := range g.order {
		name := p.named(g.byLID())
		for _, h := range p.handsets {
			all = append(all, at(name, h.number))
		}
		for _, number := range p.deviceNumbers() {
			all = append(all, at(name, number))
		}
	}
	return all
}

// participantHash is how the server sums up its devices. The caller holds the lock.
func (g *Group) participantHash() string { return participantHash(g.devices()) }

// address writes how a member is named in a message of the group. The caller holds the lock.
func (g *Group) address(a attrs, from *Phone) {
	a["addressing_mode"] = string(g.mode)
	if g.byLID() {
		a["participant_pn"] = from.numbered()
	} else {
		a["participant_lid"] = from.lid
	}
}

// tell sends a change to the linked devices of a member. The caller holds the lock.
func (g *Group) tell(to, by *Phone, change node) {
	for _, d := range to.linked() {
		a := attrs{"type": "w:gp2", "from": g.JID(), "id": g.server.stanzaID(), "t": stamp(time.Now()), "notify": by.name, "participant": by.named(g.byLID())}
		if g.byLID() {
			a["participant_pn"] = by.numbered()
		}
		a["addressing_mode"] = string(g.mode)
		d.enqueue(node{Tag: "notification", Attrs: a, Content: []node{change}})
	}
}

// node describes the group. The caller holds the lock.
func (g *Group) node() node {
	children := g.participants(g.order)
	if g.topic != "" {
		children = append(children, node{Tag: "description", Attrs: attrs{
			"id": g.topicID, "t": stamp(g.created), "participant": g.creator.named(g.byLID()),
		}, Content: []node{{Tag: "body", Content: []byte(g.topic)}}})
	}
	if g.announce {
		children = append(children, node{Tag: "announcement"})
	}
	if g.locked {
		children = append(children, node{Tag: "locked"})
	}
	return node{Tag: "group", Attrs: attrs{
		"id": g.id, "jid": g.JID(), "subject": g.subject, "s_t": stamp(g.created), "s_o": g.creator.named(g.byLID()), "creation": stamp(g.created),
		"creator": g.creator.named(g.byLID()), "addressing_mode": string(g.mode), "size": strconv.Itoa(len(g.order)), "p_v_id": strconv.Itoa(g.changes),
	}, Content: children}
}

// participants describes members, or who was one. The caller holds the lock.
func (g *Group) participants(phones []*Phone) []node {
	var nodes []node
	for _, p := range phones {
		a := attrs{"jid": p.named(g.byLID())}
		if g.byLID() {
			a["phone_number"] = p.numbered()
		} else {
			a["lid"] = p.lid
		}
		switch m := g.members[p]; {
		case p == g.creator && m != nil:
			a["type"] = "superadmin"
		case m != nil && m.admin:
			a["type"] = "admin"
		}
		nodes = append(nodes, node{Tag: "participant", Attrs: a})
	}
	return nodes
}

// group answers a question about groups, or changes one.
func (s *Server) group(d *Device, n *node) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	children := n.GetChildren()
	if len(children) == 0 {
		return refusal(400, "bad-request")
	}
	if to := jid(n, "to"); to.User != "" {
		g := s.groups[to.User]
		if g == nil {
			return refusal(404, "item-not-found")
		}
		if !g.has(d.phone) {
			return refusal(403, "forbidden")
		}
		return g.ask(d.phone, text(n, "type"), &children[0])
	}
	switch do := &children[0]; do.Tag {
	case "participating":
		return s.joined(d.phone)
	case "create":
		return s.createGroup(d.phone, do)
	case "leave":
		for _, child := range do.GetChildren() {
			if g := s.groups[jid(&child, "id").User]; g != nil && g.has(d.phone) {
				g.alter(d.phone, "remove", []*Phone{d.phone})
			}
		}
		return result(node{Tag: "leave"})
	case "invite":
		return s.invited(d.phone, text(n, "type"), text(do, "code"))
	}
	return refusal(501, "feature-not-implemented")
}

// joined lists the groups that a phone is in. The caller holds the lock.
func (s *Server) joined(p *Phone) answer {
	list := node{Tag: "groups"}
	var all []node
	for _, g := range s.groups {
		if g.has(p) {
			all = append(all, g.node())
		}
	}
	list.Content = all
	return result(list)
}

// createGroup makes the group that a client asks for. The caller holds the lock.
func (s *Server) createGroup(by *Phone, do *node) answer {
	var others []*Phone
	for _, child := range do.GetChildrenByTag("participant") {
		if p := s.find(jid(&child, "jid")); p != nil && p != by {
			others = append(others, p)
		}
	}
	g := s.newGroup(by, text(do, "subject"), types.AddressingModeLID, others)
	g.announce, g.locked = has(do, "announcement"), has(do, "locked")
	return result(g.node())
}

// invited shows or joins the group of an invite code. The caller holds the lock.
func (s *Server) invited(p *Phone, kind, code string) answer {
	for _, g := range s.groups {
		if g.invite != code {
			continue
		}
		if kind == "set" {
			g.alter(p, "add", []*Phone{p})
		}
		return result(g.node())
	}
	return refusal(406, "not-acceptable")
}

// ask answers a member's question, or does what it wants. The caller holds the server's lock.
func (g *Group) ask(by *Phone, kind string, do *node) answer {
	if kind == "get" && do.Tag == "query" {
		return result(g.node())
	}
	if do.Tag == "invite" {
		if !g.members[by].admin {
			return refusal(401, "not-authorized")
		}
		if kind == "set" {
			g.invite = base64.RawURLEncoding.EncodeToString(random(15))
		}
		return result(node{Tag: "invite", Attrs: attrs{"code": g.invite}})
	}
	admins := slices.Contains([]string{"add", "remove", "promote", "demote", "announcement", "not_announcement", "locked", "unlocked"}, do.Tag)
	if (admins || g.locked) && !g.members[by].admin {
		return refusal(403, "forbidden")
	}
	switch do.Tag {
	case "add", "remove", "promote", "demote":
		return g.changeAsked(by, do)
	case "subject":
		words, _ := do.Content.([]byte)
		g.rename(by, string(words))
	case "description":
		g.topic, g.topicID = string(octets(do, "body")), text(do, "id")
		change := *do
		if g.topic == "" {
			change.Content = []node{{Tag: "delete"}}
		}
		g.announceChange(by, change)
	case "announcement", "not_announcement":
		g.announce = do.Tag == "announcement"
		g.changes++
		g.announceChange(by, node{Tag: do.Tag, Attrs: attrs{"v_id": strconv.Itoa(g.changes)}})
	case "locked", "unlocked":
		g.locked = do.Tag == "locked"
		g.announceChange(by, node{Tag: do.Tag})
	default:
		return refusal(501, "feature-not-implemented")
	}
	return result()
}

// announceChange tells all members. The caller holds the server's lock.
func (g *Group) announceChange(by *Phone, change node) {
	for _, p := range g.order {
		g.tell(p, by, change)
	}
}

// changeAsked changes members for an admin, and answers for each who was named. The caller holds the server's lock.
func (g *Group) changeAsked(by *Phone, do *node) answer {
	var others []*Phone
	done := node{Tag: do.Tag}
	var answers []node
	for _, child := range do.GetChildrenByTag("participant") {
		name := jid(&child, "jid")
		p := g.server.find(name)
		switch {
		case p == nil:
			answers = append(answers, node{Tag: "participant", Attrs: attrs{"jid": name, "error": "404"}})
		case do.Tag == "add" && g.has(p):
			answers = append(answers, node{Tag: "participant", Attrs: attrs{"jid": name, "error": "409"}})
		case do.Tag == "add" && p.blocked[by]:
			answers = append(answers, node{Tag: "participant", Attrs: attrs{"jid": name, "error": "403"}})
		default:
			others = append(others, p)
		}
	}
	g.alter(by, do.Tag, others)
	done.Content = append(answers, g.participants(others)...)
	return result(done)
}
