package whatsapp

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// Groups lists the groups that the device is in.
func (s *session) Groups(ctx context.Context) ([]channel.Group, error) {
	all, err := s.client.GetJoinedGroups(ctx)
	if err != nil {
		return nil, before(sendFailure(err))
	}
	list := make([]channel.Group, len(all))
	for i, g := range all {
		if list[i], err = s.group(ctx, g); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Group tells about one group.
func (s *session) Group(ctx context.Context, group message.Address) (channel.Group, error) {
	jid, err := jidOf(group)
	if err != nil || jid.Server != types.GroupServer {
		return channel.Group{}, refuse(errNoAddress)
	}
	info, err := s.client.GetGroupInfo(ctx, jid)
	if err != nil {
		return channel.Group{}, before(sendFailure(err))
	}
	return s.group(ctx, info)
}

func (s *session) group(ctx context.Context, info *types.GroupInfo) (g channel.Group, err error) {
	g = channel.Group{
		Address: addressOf(info.JID), Name: info.Name, NameSetAt: moment(info.NameSetAt), Topic: info.Topic, Created: moment(info.GroupCreated),
		Locked: info.IsLocked, Announce: info.IsAnnounce,
	}
	if info.IsEphemeral {
		g.Ephemeral = time.Duration(info.DisappearingTimer) * time.Second
	}
	if g.NameSetBy, err = s.vault.person(ctx, info.NameSetBy, info.NameSetByPN); err != nil {
		return g, err
	}
	if g.Owner, err = s.vault.person(ctx, info.OwnerJID, info.OwnerPN); err != nil {
		return g, err
	}
	for _, m := range info.Participants {
		p, err := s.vault.person(ctx, m.JID, otherOf(m))
		if err != nil {
			return g, err
		}
		if p.Name == "" {
			p.Name = m.DisplayName
		}
		g.Participants = append(g.Participants, channel.Participant{Person: p, Admin: m.IsAdmin, Owner: m.IsSuperAdmin})
	}
	return g, nil
}

// otherOf is the name of a member that is not his main one.
func otherOf(m types.GroupParticipant) types.JID {
	if m.JID == m.LID {
		return m.PhoneNumber
	}
	return m.LID
}

func moment(t time.Time) time.Time {
	if t.IsZero() || t.Unix() == 0 {
		return time.Time{}
	}
	return t.UTC()
}
