package device

import (
	"net/http"
	"strings"
	"time"

	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// listContacts lists everybody the device knows, by their ids.
func (s *server) listContacts(w http.ResponseWriter, r *http.Request) error {
	c, err := s.asked(r)
	if err != nil {
		return err
	}
	people, err := s.core.Fleet.People(r.Context(), c)
	if err != nil {
		return err
	}
	all := make(map[string]contact, len(people))
	for _, p := range people {
		if name := idOf(p); name != "" {
			first, _, _ := strings.Cut(p.Name, " ")
			all[name] = contact{Found: true, FirstName: first, FullName: p.Name, PushName: p.PushName, BusinessName: p.Business}
		}
	}
	return api.Reply(w, http.StatusOK, all)
}

// idOf is somebody's id: that of the number, where it is known.
func idOf(p message.Person) string {
	if name := jid(p.Phone); name != "" {
		return name
	}
	return jid(p.LID)
}

// listGroups lists the groups that the device is in.
func (s *server) listGroups(w http.ResponseWriter, r *http.Request) error {
	c, err := s.asked(r)
	if err != nil {
		return err
	}
	groups, err := s.core.Fleet.Groups(r.Context(), c)
	if err != nil {
		return err
	}
	all := make([]group, len(groups))
	for i, g := range groups {
		all[i] = showGroup(g)
	}
	return api.Reply(w, http.StatusOK, all)
}

func showGroup(g channel.Group) group {
	shown := group{
		JID: jid(g.Address), OwnerJID: idOf(g.Owner), OwnerPN: jid(g.Owner.Phone), Name: g.Name, NameSetAt: showTime(g.NameSetAt), NameSetBy: idOf(g.NameSetBy),
		Topic: g.Topic, IsLocked: g.Locked, IsAnnounce: g.Announce, IsEphemeral: g.Ephemeral > 0, DisappearingTimer: int(g.Ephemeral.Seconds()),
		GroupCreated: showTime(g.Created), ParticipantCount: len(g.Participants), Participants: make([]participant, len(g.Participants)),
	}
	for i, p := range g.Participants {
		shown.Participants[i] = participant{
			JID: idOf(p.Person), PhoneNumber: jid(p.Phone), LID: jid(p.LID), IsAdmin: p.Admin || p.Owner, IsSuperAdmin: p.Owner, DisplayName: p.PushName,
		}
	}
	return shown
}

func showTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
