package device

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tidings.dev/internal/api"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/webhook"
)

// Pages of devices.
const (
	defaultLimit = 10
	maxLimit     = 1000
)

// listDevices lists devices of which the token or the name holds q.
func (s *server) listDevices(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[listRequest](r)
	if err != nil {
		return err
	}
	all, err := s.own(r)
	if err != nil {
		return err
	}
	rows := []row{}
	for _, c := range all {
		d, err := s.core.Channels.Device(r.Context(), c.ID)
		if err != nil {
			return err
		}
		one := row{JID: d.Remote, Name: d.Person.PushName, Token: c.Name, Workspace: c.Workspace}
		if in.takes(one) {
			rows = append(rows, one)
		}
	}
	reply := devices{Limit: min(positive(in.Limit, defaultLimit), maxLimit), Page: positive(in.Page, 1), Total: len(rows)}
	if first := (reply.Page - 1) * reply.Limit; first >= 0 && first < len(rows) {
		reply.Data = rows[first:min(first+reply.Limit, len(rows))]
	}
	for i := range reply.Data {
		at := slices.IndexFunc(all, func(c connection.Channel) bool { return c.Name == reply.Data[i].Token })
		e, ok, err := s.core.Webhooks.OfChannel(r.Context(), all[at].ID)
		if err != nil {
			return err
		}
		if ok {
			reply.Data[i].Webhook = e.URL
		}
	}
	return api.Reply(w, http.StatusOK, reply)
}

// takes tells whether a list shows a device.
func (in *listRequest) takes(d row) bool {
	q := strings.ToLower(string(in.Q))
	return (in.Workspace == "" || d.Workspace == string(in.Workspace)) &&
		(strings.Contains(strings.ToLower(d.Token), q) || strings.Contains(strings.ToLower(d.Name), q))
}

// positive is a number from 1, or what stands for none.
func positive(text api.Text, none int) int {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 {
		return none
	}
	return min(n, 1_000_000)
}

// deleteDevice deletes a device with its webhook.
func (s *server) deleteDevice(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[tokenRequest](r)
	if err != nil {
		return err
	}
	if in.Token == "" {
		return fault.New(fault.MissingField, "token required").In("token")
	}
	c, err := s.named(r, in.Token)
	if err != nil {
		return err
	}
	by := api.CallerOf(r).By
	if err := s.core.Fleet.Delete(r.Context(), by, c); err != nil {
		return err
	}
	e, ok, err := s.core.Webhooks.OfChannel(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if ok {
		if err := s.core.Webhooks.Delete(r.Context(), by, c.Account, e.ID); err != nil {
			return err
		}
	}
	return api.Reply(w, http.StatusOK, done{"deleted"})
}

// setWebhook says who is told of a device's messages; nobody without an address.
func (s *server) setWebhook(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[webhookRequest](r)
	if err != nil {
		return err
	}
	c, err := s.named(r, in.Token)
	if err != nil {
		return err
	}
	if err := s.tell(r, c, string(in.URL), in.kinds()); err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, webhookReply{"updated", string(in.URL)})
}

// told are the events that the original tells of.
var told = []string{string(event.Received), string(event.Media), string(event.Delivered), string(event.Read)}

// kinds are the events that the endpoint takes. What the owner of the phone writes himself is one that was sent.
func (in *webhookRequest) kinds() []string {
	if in.Type == "all" {
		return append(slices.Clone(told), string(event.Sent))
	}
	return told
}

func (s *server) tell(r *http.Request, c connection.Channel, url string, kinds []string) error {
	by := api.CallerOf(r).By
	e, there, err := s.core.Webhooks.OfChannel(r.Context(), c.ID)
	switch {
	case err != nil:
		return err
	case url == "" && !there:
		return nil
	case url == "":
		return s.core.Webhooks.Delete(r.Context(), by, c.Account, e.ID)
	case there:
		active := true
		_, err := s.core.Webhooks.Update(r.Context(), by, c.Account, e.ID, webhook.Change{URL: &url, Events: &kinds, Active: &active})
		return err
	}
	e = webhook.Endpoint{
		Account: c.Account, URL: url, Events: kinds, Description: "device " + c.Name, Dialect: name, Channel: c.ID, Ordered: true,
	}
	if err := s.core.Webhooks.Check(r.Context(), e); err != nil {
		return err
	}
	return s.core.Store.Write(func(tx *store.Tx) error {
		_, _, err := s.core.Webhooks.Create(tx, by, e)
		return err
	})
}

// setWorkspace labels a device.
func (s *server) setWorkspace(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[workspaceRequest](r)
	if err != nil {
		return err
	}
	c, err := s.named(r, in.Token)
	if err != nil {
		return err
	}
	return s.answer(w, r, workspaceReply{true, c.Name, string(in.Workspace)}, func(tx *store.Tx) error {
		_, err := s.core.Gateway.ChangeChannel(tx, api.CallerOf(r).By, c.ID, func(c *connection.Channel) error {
			c.Workspace = string(in.Workspace)
			return nil
		})
		return err
	})
}

// listWorkspaces lists the labels of the account's devices.
func (s *server) listWorkspaces(w http.ResponseWriter, r *http.Request) error {
	all, err := s.own(r)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range all {
		if c.Workspace != "" {
			names = append(names, c.Workspace)
		}
	}
	slices.Sort(names)
	return api.Reply(w, http.StatusOK, workspaces{slices.Compact(names)})
}
