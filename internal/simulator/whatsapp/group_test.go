package whatsapp_test

import (
	"slices"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/simulator/whatsapp"
)

func TestGroups(t *testing.T) {
	for _, mode := range []types.AddressingMode{types.AddressingModePN, types.AddressingModeLID} {
		t.Run(string(mode), func(t *testing.T) { groupsIn(t, mode) })
	}
}

func groupsIn(t *testing.T, mode types.AddressingMode) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	p, q := s.Phone(customer), s.Phone("254722000003")
	p.AddDevice()
	g, err := p.CreateGroup("Friends", mode, business, q.Number())
	must(t, err)
	joined := await[*events.JoinedGroup](c, nil)
	equal(t, "name", joined.Name, "Friends")
	equal(t, "members", len(joined.Participants), 3)
	all, err := c.GetJoinedGroups(t.Context())
	must(t, err)
	equal(t, "groups", len(all), 1)
	equal(t, "mode", all[0].AddressingMode, mode)

	id := c.text(g.JID(), "To all")
	for _, member := range []*whatsapp.Phone{p, q} {
		m := next(t, member)
		equal(t, "text", m.Text(), "To all")
		equal(t, "group", m.Group, g.JID().String())
		must(t, member.Read(m.ID))
	}
	read := await(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeRead && e.MessageIDs[0] == id })
	equal(t, "chat", read.Chat, g.JID())
	server := map[types.AddressingMode]string{types.AddressingModePN: types.DefaultUserServer, types.AddressingModeLID: types.HiddenUserServer}[mode]
	equal(t, "reader", read.Sender.Server, server)

	for _, text := range []string{"First", "Second"} { // with the key, and without
		id, err := q.SendGroup(g, whatsapp.Text(text))
		must(t, err)
		e := c.heard(id)
		equal(t, "text", e.Message.GetConversation(), text)
		equal(t, "sender", e.Info.Sender.User == q.Number() || e.Info.Sender.User == q.LID().User, true)
		equal(t, "alternative", e.Info.SenderAlt.IsEmpty(), false)
		must(t, c.MarkRead(t.Context(), []string{id}, e.Info.Timestamp, e.Info.Chat, e.Info.Sender))
		_, err = q.AwaitReceipt(soon(t), id, "read")
		must(t, err)
		equal(t, "another member's text", next(t, p).Text(), text)
	}

	p.FailDecrypt(1)
	c.text(g.JID(), "Again")
	equal(t, "after a retry", next(t, p).Text(), "Again")

	r := s.Phone("254733000004")
	must(t, g.Add(p, r.Number()))
	equal(t, "joined", len(await(c, func(e *events.GroupInfo) bool { return len(e.Join) > 0 }).Join), 1)
	c.text(g.JID(), "Welcome")
	equal(t, "text", next(t, r).Text(), "Welcome")
	must(t, g.Remove(p, q.Number()))
	await(c, func(e *events.GroupInfo) bool { return len(e.Leave) > 0 })
	c.text(g.JID(), "Without you")
	equal(t, "text", next(t, r).Text(), "Without you")
	equal(t, "left in the queue", len(q.Received()), 3) // To all, Again, Welcome
	id, err = p.SendGroup(g, whatsapp.Text("With a new key"))
	must(t, err)
	equal(t, "text", c.heard(id).Message.GetConversation(), "With a new key")
	must(t, d.AwaitSettled(soon(t)))

	must(t, g.Remove(p, business))
	await(c, func(e *events.GroupInfo) bool { return len(e.Leave) > 0 })
	if _, err := c.GetGroupInfo(t.Context(), g.JID()); err == nil {
		t.Error("who has been removed still sees the group")
	}
}

// TestGroupsOfAClient are made and changed by the client.
func TestGroupsOfAClient(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p, q := s.Phone(customer), s.Phone("254722000003")
	info, err := c.CreateGroup(t.Context(), whatsmeow.ReqCreateGroup{Name: "Ours", Participants: []types.JID{p.JID()}})
	must(t, err)
	g := s.Group(info.JID)
	changed, err := c.UpdateGroupParticipants(t.Context(), info.JID, []types.JID{q.JID()}, whatsmeow.ParticipantChangeAdd)
	must(t, err)
	equal(t, "error", changed[0].Error, 0)
	equal(t, "is in", slices.Contains(g.Members(), q.Number()), true)
	must(t, c.SetGroupName(t.Context(), info.JID, "All of us"))
	equal(t, "subject", g.Subject(), "All of us")
	await(c, func(e *events.GroupInfo) bool { return e.Name != nil && e.Name.Name == "All of us" })
	must(t, c.SetGroupTopic(t.Context(), info.JID, "", "", "What we talk about"))
	must(t, c.SetGroupAnnounce(t.Context(), info.JID, true))
	must(t, c.SetGroupLocked(t.Context(), info.JID, true))
	seen, err := c.GetGroupInfo(t.Context(), info.JID)
	must(t, err)
	equal(t, "topic", seen.Topic, "What we talk about")
	equal(t, "announce", seen.IsAnnounce && seen.IsLocked, true)
	link, err := c.GetGroupInviteLink(t.Context(), info.JID, false)
	must(t, err)
	found, err := c.GetGroupInfoFromLink(t.Context(), link)
	must(t, err)
	equal(t, "by its link", found.JID, info.JID)
	c.text(info.JID, "Hello all")
	equal(t, "text", next(t, q).Text(), "Hello all")
	must(t, g.Promote(s.Phone(business), p.Number()))
	must(t, c.LeaveGroup(t.Context(), info.JID))
	equal(t, "has left", slices.Contains(g.Members(), business), false)
	if _, err := c.GetGroupInfo(t.Context(), types.NewJID("1", types.GroupServer)); err == nil {
		t.Error("there is a group that there is not")
	}
}
