package device

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"tidings.dev/internal/api"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// find is the device of the account with the token; false when it has none.
func (s *server) find(r *http.Request, token api.Text) (connection.Channel, bool, error) {
	if token == "" {
		return connection.Channel{}, false, fault.New(fault.MissingField, "token is required").In("token")
	}
	all, err := s.own(r)
	if err != nil {
		return connection.Channel{}, false, err
	}
	i := slices.IndexFunc(all, func(c connection.Channel) bool { return c.Name == string(token) })
	if i < 0 {
		return connection.Channel{}, false, nil
	}
	return all[i], true, nil
}

// named is find for requests that need the device to be there.
func (s *server) named(r *http.Request, token api.Text) (connection.Channel, error) {
	c, ok, err := s.find(r, token)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "token not found").In("token")
	}
	return c, err
}

// asked is the device whose token the request has in its query or body.
func (s *server) asked(r *http.Request) (connection.Channel, error) {
	in, err := api.DecodeLenient[tokenRequest](r)
	if err != nil {
		return connection.Channel{}, err
	}
	return s.named(r, in.Token)
}

// own are the account's devices, the last token first.
func (s *server) own(r *http.Request) ([]connection.Channel, error) {
	all, err := s.core.Channels.All(r.Context())
	if err != nil {
		return nil, err
	}
	account := api.CallerOf(r).Account.ID
	all = slices.DeleteFunc(all, func(c connection.Channel) bool { return c.Account != account || c.Kind != message.WhatsApp })
	slices.SortFunc(all, func(a, b connection.Channel) int { return strings.Compare(b.Name, a.Name) })
	return all, nil
}

// status is how a device is.
func (s *server) status(ctx context.Context, c connection.Channel) (status, error) {
	down := status{Message: "DISCONNECTED"}
	d, err := s.core.Channels.Device(ctx, c.ID)
	if err != nil || d.Linked.IsZero() {
		return down, err
	}
	connected, err := s.core.Channels.Connected(ctx, c.ID)
	if err != nil || !connected {
		return down, err
	}
	pic, err := s.core.Fleet.Picture(ctx, c, message.Address{})
	if err != nil && fault.Of(err) == nil { // a device without a picture is one
		return down, err
	}
	return status{
		Status: true, Message: "AUTHENTICATED", Name: d.Person.PushName, Phone: strings.TrimPrefix(d.Person.Phone.Value, "+"), Pic: pic,
		Data: &identity{ID: d.Remote, LID: jid(d.Person.LID), Name: d.Person.PushName},
	}, nil
}

// jid is an address as WhatsApp's own ids have it; empty for none.
func jid(a message.Address) string {
	switch a.Kind {
	case message.Phone:
		return strings.TrimPrefix(a.Value, "+") + "@s.whatsapp.net"
	case message.LID:
		return a.Value + "@lid"
	case message.Group:
		return a.Value + "@g.us"
	}
	return ""
}
