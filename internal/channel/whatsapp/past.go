package whatsapp

import (
	"cmp"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// manyPeople is how many people are told of at once.
const manyPeople = 200

// past takes what was written before the device was linked, as the phone hands it over: who people are, then what they wrote, the
// oldest first.
func (s *session) past(e *events.HistorySync) bool {
	people := map[message.Address]message.Person{}
	add := func(jid, alt types.JID, name string) error {
		p, err := s.vault.person(s.ctx, jid, alt)
		if name != "" {
			p.PushName = name
		}
		if a := best(p); a != (message.Address{}) {
			people[a] = p
		}
		return err
	}
	for _, n := range e.Data.GetPushnames() {
		jid, err := types.ParseJID(n.GetID())
		if err == nil {
			err = add(jid, types.EmptyJID, n.GetPushname())
		}
		if err != nil {
			return s.unread(err)
		}
	}
	for _, m := range e.Data.GetPhoneNumberToLidMappings() {
		pn, err1 := types.ParseJID(m.GetPnJID())
		lid, err2 := types.ParseJID(m.GetLidJID())
		if err := cmp.Or(err1, err2); err != nil {
			continue
		}
		if err := add(pn, lid, ""); err != nil {
			return s.unread(err)
		}
	}
	if !s.tellPeople(people) {
		return false
	}
	return s.written(e)
}

func (s *session) tellPeople(people map[message.Address]message.Person) bool {
	list := make([]message.Person, 0, len(people))
	for _, p := range people {
		list = append(list, p)
	}
	for some := range slices.Chunk(list, manyPeople) {
		if !s.notice(channel.Notice{People: some}) {
			return false
		}
	}
	return true
}

// written stores the messages of all chats.
func (s *session) written(e *events.HistorySync) bool {
	var all []*events.Message
	for _, c := range e.Data.GetConversations() {
		chat, err := types.ParseJID(c.GetID())
		if err != nil {
			continue
		}
		for _, m := range c.GetMessages() {
			if m.GetMessage().GetMessage() == nil {
				continue
			}
			if one, err := s.client.ParseWebMessage(chat, m.GetMessage()); err == nil && one.Message != nil {
				all = append(all, one)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *events.Message) int { return a.Info.Timestamp.Compare(b.Info.Timestamp) })
	began := time.Now()
	for _, m := range all {
		if !s.arrived(m, true) {
			return false
		}
	}
	if len(all) > 0 {
		s.env.Log.Info("history taken over", "messages", len(all), "took", time.Since(began).Round(time.Millisecond))
	}
	return true
}
