package native

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) channelOperations() []operation {
	return []operation{
		op[input[channelRequest], output[ChannelReply]]("POST /channels", account.Admin, "createChannel", "Make a channel", s.createChannel).answers(201).once(),
		op[PageInput, output[page[ChannelReply]]]("GET /channels", account.AccountRead, "listChannels", "List the channels that may be used", s.listChannels),
		op[IDInput, output[ChannelReply]]("GET /channels/{id}", account.AccountRead, "readChannel", "Read a channel and how it is", s.readChannel),
		op[changeChannelInput, output[ChannelReply]]("PATCH /channels/{id}", account.Admin, "changeChannel", "Change a channel", s.changeChannel),
		op[IDInput, nothing]("DELETE /channels/{id}", account.Admin, "deleteChannel", "Delete a channel in which nothing waits", s.deleteChannel).answers(204),
		op[tryInput, output[trialReply]]("POST /channels/{id}/test", account.Admin, "testChannel", "Try to open a session, or send a text", s.testChannel).once(),
		op[IDInput, output[ChannelReply]]("POST /channels/{id}/pause", account.Admin, "pauseChannel", "Keep the session and send nothing", s.setMode(connection.Paused)),
		op[IDInput, output[ChannelReply]]("POST /channels/{id}/drain", account.Admin, "drainChannel", "Finish what is under way and close the session", s.setMode(connection.Draining)),
		op[IDInput, output[ChannelReply]]("POST /channels/{id}/resume", account.Admin, "resumeChannel", "Send again", s.setMode(connection.Working)),
		op[noInput, output[defaultsReply]]("GET /account/defaults", account.AccountRead, "readDefaults", "Read which channels carry messages that name none", s.readDefaults),
		op[input[defaultsRequest], output[defaultsReply]]("PUT /account/defaults", account.Admin, "setDefaults", "Name the channels that carry messages which name none", s.setDefaults),
		op[noInput, output[defaultsReply]]("GET /defaults", account.Operate, "readCommonDefaults", "Read the defaults of all accounts that have none", s.readCommonDefaults),
		op[input[defaultsRequest], output[defaultsReply]]("PUT /defaults", account.Operate, "setCommonDefaults", "Name the defaults of all accounts that have none", s.setCommonDefaults),
	}
}

// settings are a driver's own, as the caller wrote them.
type settings struct{ json.RawMessage }

// Schema documents settings.
func (settings) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "The driver's own settings (docs/channels). Secrets are shown masked; one that is sent masked stays as it is.",
		Examples:    []any{map[string]any{"address": "smsc.example:2775", "system_id": "acme", "password": "********"}},
	}
}

// channelRequest is a channel to make.
type channelRequest struct {
	Name     string   `json:"name" maxLength:"100" doc:"Unique in the account." example:"acme"`
	Driver   string   `json:"driver" example:"smpp"`
	Settings settings `json:"settings,omitempty"`
	Shared   bool     `json:"shared,omitempty" doc:"For all accounts; only the operator makes one."`
	Sender   string   `json:"sender,omitempty" doc:"What messages that name no sender come from." example:"ACME"`
	Senders  string   `json:"senders,omitempty" enum:"any,registered" doc:"Who may be named as sender: any that is not someone else's (without it), or an account's numbers and registered senders only."`
	Rate     int      `json:"rate,omitempty" minimum:"0" doc:"Parts a second at most; 0: as fast as the network takes them."`
	Shards   int      `json:"shards,omitempty" minimum:"1" maximum:"64" doc:"Lanes its recipients are spread over; 1 without it."`
	Enabled  *bool    `json:"enabled,omitempty" doc:"true without it."`
}

// channelChangeRequest is what to change of a channel; what is absent stays.
type channelChangeRequest struct {
	Name     *string  `json:"name,omitempty" maxLength:"100"`
	Settings settings `json:"settings,omitempty" doc:"Settings that are absent stay; null takes one away."`
	Sender   *string  `json:"sender,omitempty"`
	Senders  *string  `json:"senders,omitempty" enum:"any,registered"`
	Rate     *int     `json:"rate,omitempty" minimum:"0"`
	Shards   *int     `json:"shards,omitempty" minimum:"1" maximum:"64" doc:"Changes while nothing waits in the channel."`
	Enabled  *bool    `json:"enabled,omitempty" doc:"A channel that is not takes no messages and has no session."`
}

// changeChannelInput documents a change.
type changeChannelInput struct {
	IDInput
	Body channelChangeRequest
}

// ChannelReply is a channel. Of one that all accounts share, only the operator sees settings and servers.
type ChannelReply struct {
	ID        string    `json:"id" format:"uuid"`
	Name      string    `json:"name"`
	Driver    string    `json:"driver"`
	Kind      string    `json:"kind" enum:"sms,whatsapp"`
	Shared    bool      `json:"shared"`
	Settings  *settings `json:"settings,omitempty"`
	Sender    string    `json:"sender"`
	Senders   string    `json:"senders" enum:"any,registered"`
	Rate      int       `json:"rate"`
	Shards    int       `json:"shards"`
	Enabled   bool      `json:"enabled"`
	State     liveReply `json:"state"`
	CreatedAt string    `json:"created_at" format:"date-time"`
	UpdatedAt string    `json:"updated_at" format:"date-time"`
}

// liveReply is how a channel is on all servers together.
type liveReply struct {
	Phase    string        `json:"phase" enum:"connecting,up,down,waiting,unlinked,pairing,paused,draining,disabled" doc:"paused, draining and disabled are what was asked for; the rest is what became of it."`
	Since    *string       `json:"since" format:"date-time" nullable:"true"`
	Code     string        `json:"code,omitempty" doc:"Why it is down, for programs." example:"bad_credentials"`
	Reason   string        `json:"reason,omitempty" doc:"Why it is as it is, for people."`
	Window   int           `json:"window" doc:"Parts that may be under way at once, on all servers."`
	UnderWay int           `json:"under_way" doc:"Parts under way, as of some seconds ago."`
	Waiting  *depthReply   `json:"waiting,omitempty" doc:"Messages that wait or are being sent, by priority; only in the reply for one channel."`
	Servers  []serverReply `json:"servers,omitempty"`
}

// depthReply counts messages by priority.
type depthReply struct {
	OTP           int `json:"otp"`
	Transactional int `json:"transactional"`
	Bulk          int `json:"bulk"`
}

// serverReply is how a channel is on one server.
type serverReply struct {
	Name     string `json:"name"`
	Phase    string `json:"phase" enum:"connecting,up,down,waiting,unlinked,pairing"`
	Since    string `json:"since" format:"date-time"`
	Code     string `json:"code,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Window   int    `json:"window"`
	UnderWay int    `json:"under_way"`
}

// createChannel makes a channel of the account, or one for all.
func (s *server) createChannel(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[channelRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wish := connection.Channel{
		Account: c.Account.ID, Name: in.Name, Driver: in.Driver, Settings: channel.Settings(in.Settings.RawMessage), Senders: connection.Senders(in.Senders),
		Rate: in.Rate, Shards: max(in.Shards, 1), Enabled: in.Enabled == nil || *in.Enabled,
	}
	if len(wish.Settings) == 0 {
		wish.Settings = channel.Settings("{}")
	}
	if in.Shared {
		if !operates(r) {
			return fault.New(fault.ScopeMissing, "only the operator makes a channel for all accounts").In("shared")
		}
		wish.Account = 0
	}
	if wish.Sender, err = message.ParseSender(in.Sender, c.Account.Region); err != nil {
		return fault.Of(err).In("sender")
	}
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Gateway.CreateChannel(tx, c.By, wish)
		if err != nil {
			return nil, err
		}
		return s.showChannel(&made, nil, true)
	})
}

// operates tells whether the request comes from the operator.
func operates(r *http.Request) bool {
	c := api.CallerOf(r)
	return c.Account.Operator && c.Key.Scopes.Allow(account.Operate)
}

// listChannels lists the account's channels and those that all share, newest first.
func (s *server) listChannels(w http.ResponseWriter, r *http.Request) error {
	states, err := s.core.Channels.States(r.Context())
	if err != nil {
		return err
	}
	return simple(s, w, r, "channels", func(after int64, limit int) ([]connection.Channel, error) {
		all, err := s.core.Channels.All(r.Context())
		slices.Reverse(all)
		all = slices.DeleteFunc(all, func(c connection.Channel) bool { return !sees(r, c) || after != 0 && int64(c.ID) >= after })
		return all[:min(len(all), limit)], err
	}, func(c *connection.Channel) (ChannelReply, int64) {
		shown, err := s.showChannel(c, states[c.ID], runs(r, *c))
		if err != nil {
			shown.State.Reason = "The settings cannot be read."
		}
		return shown, int64(c.ID)
	})
}

// sees tells whether the caller may use the channel, and so know of it.
func sees(r *http.Request, c connection.Channel) bool {
	return c.Account == 0 || c.Account == api.CallerOf(r).Account.ID
}

// runs tells whether the channel is the caller's to change.
func runs(r *http.Request, c connection.Channel) bool {
	return c.Account == api.CallerOf(r).Account.ID || operates(r)
}

// seen is the channel of the path, if the caller may know of it.
func (s *server) seen(r *http.Request) (connection.Channel, error) {
	id, err := pathID[message.Channel](r, "id")
	if err != nil {
		return connection.Channel{}, err
	}
	c, ok, err := s.core.Channels.Get(r.Context(), id)
	if err == nil && (!ok || !sees(r, c) && !operates(r)) {
		err = fault.New(fault.NotHere, "there is no channel %s", id)
	}
	return c, err
}

// own is the channel of the path, if the caller may change it.
func (s *server) own(r *http.Request) (connection.Channel, error) {
	c, err := s.seen(r)
	if err == nil && !runs(r, c) {
		err = fault.New(fault.ScopeMissing, "only the operator changes a channel that all accounts share")
	}
	return c, err
}

// readChannel shows a channel and how it is.
func (s *server) readChannel(w http.ResponseWriter, r *http.Request) error {
	c, err := s.seen(r)
	if err != nil {
		return err
	}
	return s.replyChannel(w, r, &c)
}

func (s *server) replyChannel(w http.ResponseWriter, r *http.Request, c *connection.Channel) error {
	shown, err := s.wholeChannel(r.Context(), c, runs(r, *c))
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, shown)
}

func (s *server) wholeChannel(ctx context.Context, c *connection.Channel, whole bool) (shown ChannelReply, err error) {
	states, err := s.core.Channels.States(ctx)
	if err != nil {
		return shown, err
	}
	if shown, err = s.showChannel(c, states[c.ID], whole); err != nil || !whole {
		return shown, err
	}
	waiting, err := s.core.Gateway.WaitingIn(ctx, c.ID)
	shown.State.Waiting = &depthReply{waiting[message.OTP], waiting[message.Transactional], waiting[message.Bulk]}
	return shown, err
}

// showChannel shows a channel; whole is for those whose it is.
func (s *server) showChannel(c *connection.Channel, states []connection.State, whole bool) (ChannelReply, error) {
	shown := ChannelReply{
		ID: c.ID.String(), Name: c.Name, Driver: c.Driver, Kind: string(c.Kind), Shared: c.Account == 0, Sender: c.Sender.Display(), Senders: string(c.Senders),
		Rate: c.Rate, Shards: c.Shards, Enabled: c.Enabled, State: showLive(c, states, whole), CreatedAt: showTime(c.ID.Time()), UpdatedAt: showTime(c.Updated),
	}
	if !whole {
		return shown, nil
	}
	text, err := s.core.Gateway.ShownSettings(*c)
	shown.Settings = &settings{text}
	return shown, err
}

// showLive says what was asked of a channel, and what became of it.
func showLive(c *connection.Channel, states []connection.State, whole bool) liveReply {
	now := connection.Overall(states)
	live := liveReply{Phase: string(now.Phase), Since: showMaybe(now.Since), Window: now.Window, UnderWay: now.Busy}
	switch {
	case !c.Enabled:
		live.Phase, live.Reason = "disabled", "The channel is not enabled: it takes no messages and has no session."
	case c.Mode == connection.Paused:
		live.Phase, live.Reason = string(c.Mode), "The channel was paused: it keeps its session and sends nothing until it is resumed."
	case c.Mode == connection.Draining && len(states) > 0:
		live.Phase, live.Reason = string(c.Mode), "The channel was drained: it finishes what is under way and then closes its session."
	case c.Mode == connection.Draining:
		live.Phase, live.Reason = string(c.Mode), "The channel was drained: nothing is under way, and it has no session until it is resumed."
	case len(states) == 0:
		live.Reason = "No server has begun with the channel yet."
	}
	if !c.Enabled || c.Mode != connection.Working {
		live.Since = showMaybe(c.Updated)
	}
	if !whole {
		return live
	}
	if live.Reason == "" {
		live.Code, live.Reason = now.Code, now.Reason
	}
	for _, n := range states {
		live.Servers = append(live.Servers, serverReply{
			Name: n.Node, Phase: string(n.Phase), Since: showTime(n.Since), Code: n.Code, Reason: n.Reason, Window: n.Window, UnderWay: n.Busy,
		})
	}
	return live
}

// changeChannel changes what the request names.
func (s *server) changeChannel(w http.ResponseWriter, r *http.Request) error {
	c, err := s.own(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[channelChangeRequest](r)
	if err != nil {
		return err
	}
	return s.edit(w, r, c, func(c *connection.Channel) error { return s.apply(in, c, api.CallerOf(r).Account.Region) })
}

// apply puts what the request names into the channel.
func (s *server) apply(in *channelChangeRequest, c *connection.Channel, region string) (err error) {
	set(&c.Name, in.Name)
	set(&c.Rate, in.Rate)
	set(&c.Shards, in.Shards)
	set(&c.Enabled, in.Enabled)
	if in.Senders != nil {
		c.Senders = connection.Senders(*in.Senders)
	}
	if in.Sender != nil {
		if c.Sender, err = message.ParseSender(*in.Sender, region); err != nil {
			return fault.Of(err).In("sender")
		}
	}
	if len(in.Settings.RawMessage) > 0 {
		c.Settings, err = s.core.Gateway.MergeSettings(*c, in.Settings.RawMessage)
	}
	return err
}

// set takes over a value that is there.
func set[T any](place, value *T) {
	if value != nil {
		*place = *value
	}
}

// edit changes a channel and shows it.
func (s *server) edit(w http.ResponseWriter, r *http.Request, c connection.Channel, change func(*connection.Channel) error) error {
	err := s.core.Store.Write(func(tx *store.Tx) (err error) {
		c, err = s.core.Gateway.ChangeChannel(tx, api.CallerOf(r).By, c.ID, change)
		return err
	})
	if err != nil {
		return err
	}
	if c, _, err = s.core.Channels.Get(r.Context(), c.ID); err != nil {
		return err
	}
	return s.replyChannel(w, r, &c)
}

// setMode pauses, drains or resumes a channel. It holds on all servers within a second or two, and over restarts.
func (s *server) setMode(m connection.Mode) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, err := s.own(r)
		if err != nil {
			return err
		}
		if c.Mode == m {
			return s.replyChannel(w, r, &c)
		}
		return s.edit(w, r, c, func(c *connection.Channel) error {
			c.Mode = m
			return nil
		})
	}
}

// deleteChannel deletes a channel in which nothing waits.
func (s *server) deleteChannel(w http.ResponseWriter, r *http.Request) error {
	c, err := s.own(r)
	if err != nil {
		return err
	}
	by := api.CallerOf(r).By
	if err := s.core.Fleet.Delete(r.Context(), by, c); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tryRequest is how to try a channel: with a recipient a text is sent, without one only a session is opened.
type tryRequest struct {
	To   string `json:"to,omitempty" doc:"Send a text there, which is charged as any other."`
	Text string `json:"text,omitempty" doc:"What to say; a short text without it."`
}

// tryInput documents a trial.
type tryInput struct {
	IDInput
	Body tryRequest `required:"false"`
}

// trialReply is what came of a trial.
type trialReply struct {
	OK      bool          `json:"ok"`
	Live    bool          `json:"live" doc:"No session was opened: the network allows one, and the one that is up answers for it."`
	TookMS  int64         `json:"took_ms"`
	Window  int           `json:"window" doc:"Parts that may be under way at once."`
	Code    string        `json:"code,omitempty" doc:"Why it failed, for programs." example:"bad_credentials"`
	Reason  string        `json:"reason,omitempty" doc:"Why it failed, for people."`
	Message *MessageReply `json:"message,omitempty" doc:"The text that was accepted; its status tells what becomes of it."`
}

const trialText = "This is a test."

// testChannel opens a session as it is opened for work, or sends a text.
func (s *server) testChannel(w http.ResponseWriter, r *http.Request) error {
	c, err := s.own(r)
	if err != nil {
		return err
	}
	in := &tryRequest{}
	if r.ContentLength != 0 {
		if in, err = api.Decode[tryRequest](r); err != nil {
			return err
		}
	}
	if in.To != "" {
		return s.sendTrial(w, r, c, in)
	}
	t, err := s.core.Fleet.Try(r.Context(), c)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, trialReply{OK: t.OK, Live: t.Live, TookMS: t.Took.Milliseconds(), Window: t.Window, Code: t.Code, Reason: t.Reason})
}

func (s *server) sendTrial(w http.ResponseWriter, r *http.Request, c connection.Channel, in *tryRequest) error {
	text := in.Text
	if text == "" {
		text = trialText
	}
	reply, err := s.submit(w, r, message.Draft{Kind: c.Kind, Channel: c.ID, To: in.To, Content: message.Text(text)})
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	shown := showMessage(&reply.Results[0].Message)
	return api.Reply(w, http.StatusOK, trialReply{OK: true, Message: &shown})
}

// defaultsRequest names channels by kind; a kind that is absent stays as it is.
type defaultsRequest struct {
	SMS      *[]string `json:"sms,omitempty" maxItems:"10" doc:"Tried in this order; empty: none."`
	WhatsApp *[]string `json:"whatsapp,omitempty" maxItems:"10"`
}

// defaultsReply names channels by kind, in the order in which they are tried.
type defaultsReply struct {
	SMS      []string `json:"sms" nullable:"false"`
	WhatsApp []string `json:"whatsapp" nullable:"false"`
}

func (s *server) readDefaults(w http.ResponseWriter, r *http.Request) error {
	return s.replyDefaults(w, r, api.CallerOf(r).Account.ID)
}

func (s *server) readCommonDefaults(w http.ResponseWriter, r *http.Request) error {
	return s.replyDefaults(w, r, 0)
}

func (s *server) replyDefaults(w http.ResponseWriter, r *http.Request, a account.ID) error {
	reply := defaultsReply{}
	for kind, place := range map[message.Kind]*[]string{message.SMS: &reply.SMS, message.WhatsApp: &reply.WhatsApp} {
		list, err := s.core.Routes.Defaults(r.Context(), a, kind)
		if err != nil {
			return err
		}
		*place = make([]string, len(list))
		for i, id := range list {
			(*place)[i] = id.String()
		}
	}
	return api.Reply(w, http.StatusOK, reply)
}

func (s *server) setDefaults(w http.ResponseWriter, r *http.Request) error {
	return s.nameDefaults(w, r, api.CallerOf(r).Account.ID)
}

func (s *server) setCommonDefaults(w http.ResponseWriter, r *http.Request) error {
	return s.nameDefaults(w, r, 0)
}

// nameDefaults takes over the lists that the request has, all of them or none.
func (s *server) nameDefaults(w http.ResponseWriter, r *http.Request, a account.ID) error {
	in, err := api.Decode[defaultsRequest](r)
	if err != nil {
		return err
	}
	by := api.CallerOf(r).By
	err = s.core.Store.Write(func(tx *store.Tx) error {
		for _, list := range []struct {
			kind  message.Kind
			names *[]string
		}{{message.SMS, in.SMS}, {message.WhatsApp, in.WhatsApp}} {
			if list.names == nil {
				continue
			}
			ids, err := readIDs[message.Channel](*list.names, string(list.kind))
			if err != nil {
				return err
			}
			if err := s.core.Gateway.SetDefaults(tx, by, a, list.kind, ids); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.replyDefaults(w, r, a)
}
