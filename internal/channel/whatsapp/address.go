package whatsapp

import (
	"context"
	"errors"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// addressOf is somebody's, or a group's, address in our words. Devices are their owner's.
func addressOf(jid types.JID) message.Address {
	switch jid.Server {
	case types.DefaultUserServer, types.LegacyUserServer, types.HostedServer:
		return message.Address{Kind: message.Phone, Value: "+" + jid.User}
	case types.HiddenUserServer, types.HostedLIDServer:
		return message.Address{Kind: message.LID, Value: jid.User}
	case types.GroupServer:
		return message.Address{Kind: message.Group, Value: jid.User}
	default:
		return message.Address{}
	}
}

var errNoAddress = errors.New("it is no address of WhatsApp")

// jidOf is the network's name of an address.
func jidOf(a message.Address) (types.JID, error) {
	user, server := a.Value, ""
	switch a.Kind {
	case message.Phone:
		user, server = strings.TrimPrefix(a.Value, "+"), types.DefaultUserServer
	case message.LID:
		server = types.HiddenUserServer
	case message.Group:
		server = types.GroupServer
	}
	if server == "" || user == "" || strings.Trim(user, "0123456789-") != "" {
		return types.EmptyJID, errNoAddress
	}
	return types.NewJID(user, server), nil
}

// refuse says that a recipient cannot be.
func refuse(err error) *channel.Failure {
	return &channel.Failure{Verdict: channel.Reject, Code: "invalid_number", Err: err}
}

// person is what is known of who goes by a name, and by another if it is not empty.
func (v *vault) person(ctx context.Context, jid, alt types.JID) (p message.Person, err error) {
	if alt.IsEmpty() {
		if alt, err = v.otherName(ctx, jid); err != nil {
			return p, err
		}
	}
	for _, j := range []types.JID{jid, alt} {
		switch a := addressOf(j); a.Kind {
		case message.Phone:
			p.Phone = a
		case message.LID:
			p.LID = a
		default:
			continue
		}
		c, err := v.GetContact(ctx, j.ToNonAD())
		if err != nil {
			return p, err
		}
		named(&p, c)
	}
	return p, nil
}

// named adds the names that a contact has.
func named(p *message.Person, c types.ContactInfo) {
	for _, n := range []struct {
		to   *string
		from string
	}{{&p.Name, c.FullName}, {&p.Name, c.FirstName}, {&p.PushName, c.PushName}, {&p.Business, c.BusinessName}} {
		if *n.to == "" {
			*n.to = n.from
		}
	}
}

// best is the address by which a person is written to: the number while it is known, since that is what customers know.
func best(p message.Person) message.Address {
	if p.Phone != (message.Address{}) {
		return p.Phone
	}
	return p.LID
}
