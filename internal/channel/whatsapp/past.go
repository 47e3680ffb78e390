package whatsapp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// manyPeople is how many people are told of at once.
const manyPeople = 200

// pastName is the name of what the phone has handed over and that was not taken yet.
const pastName = "past/"

// remember keeps where the phone has put some of what was written before the device was linked. It is fetched and taken beside the
// connection, again after a restart if need be.
func (s *session) remember(id string, n *waE2E.HistorySyncNotification) bool {
	if s.config.history == noHistory {
		return true
	}
	raw, err := proto.Marshal(n)
	if err == nil {
		err = s.vault.put(s.ctx, fmt.Sprintf("%s%013d/%s", pastName, time.Now().UnixMilli(), id), raw)
	}
	if err != nil {
		return s.unread(err)
	}
	s.beside(s.recall)
	return true
}

// recall takes what the phone has handed over, part by part.
func (s *session) recall() {
	defer func() {
		if p := recover(); p != nil {
			s.lose(panicked(p))
		}
	}()
	s.recalling.Lock()
	defer s.recalling.Unlock()
	parts, err := s.vault.list(s.ctx, pastName)
	if err != nil {
		return
	}
	for _, part := range parts {
		if s.ctx.Err() != nil || !s.recallPart(part) {
			return
		}
	}
}

// recallPart takes one part. What cannot be fetched any more is given up: the phone hands it over once.
func (s *session) recallPart(part channel.Kept) bool {
	n := new(waE2E.HistorySyncNotification)
	if err := proto.Unmarshal(part.Value, n); err != nil {
		return s.vault.drop(s.ctx, part.Name) == nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, transferTime(int64(n.GetFileLength())))
	blob, err := s.client.DownloadHistorySync(ctx, n, true)
	cancel()
	if err != nil && s.ctx.Err() == nil && fetchFailure(err).Verdict == channel.Retry && !isGone(err) {
		s.env.Log.Warn("history waits for the next connection", "err", err)
		return false
	}
	if err == nil && !s.past(blob) {
		return false
	}
	return s.ctx.Err() == nil && s.vault.drop(s.ctx, part.Name) == nil
}

// past takes one part: who people are, then what they wrote, the oldest first.
func (s *session) past(blob *waHistorySync.HistorySync) bool {
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
	for _, n := range blob.GetPushnames() {
		jid, err := types.ParseJID(n.GetID())
		if err == nil {
			err = add(jid, types.EmptyJID, n.GetPushname())
		}
		if err != nil {
			return s.unread(err)
		}
	}
	for _, m := range blob.GetPhoneNumberToLidMappings() {
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
	return s.written(blob)
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
func (s *session) written(blob *waHistorySync.HistorySync) bool {
	var all []*events.Message
	for _, c := range blob.GetConversations() {
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
