package klik

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
)

// readStatus tells how the official device is, and whose key asks.
func (s *server) readStatus(w http.ResponseWriter, r *http.Request) error {
	ch, err := s.admit(r, account.AccountRead, s.official)
	if err != nil {
		return err
	}
	who, err := s.core.Members.FirstUser(r.Context(), api.CallerOf(r).Account)
	if err != nil {
		return err
	}
	reply := status{Success: true, Data: statusData{User: person{who.Number, who.Name, who.Email}}}
	if ch.ID == 0 {
		return api.Reply(w, http.StatusOK, reply)
	}
	d, err := s.core.Channels.Device(r.Context(), ch.ID)
	if err != nil {
		return err
	}
	connected, err := s.core.Channels.Connected(r.Context(), ch.ID)
	if err != nil {
		return err
	}
	if connected && !d.Linked.IsZero() {
		reply.Data.Connected, reply.Data.Session = true, &device{ch.ID.String(), digits(d.Person.Phone.Value)}
	}
	return api.Reply(w, http.StatusOK, reply)
}
