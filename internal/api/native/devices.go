package native

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

func (s *server) deviceOperations() []operation {
	return []operation{
		op[input[deviceRequest], output[DeviceReply]]("POST /devices", account.Admin, "createDevice", "Make a device, which a phone has yet to link", s.createDevice).answers(201).once(),
		op[devicesInput, output[page[DeviceReply]]]("GET /devices", account.AccountRead, "listDevices", "List the account's devices", s.listDevices),
		op[IDInput, output[DeviceReply]]("GET /devices/{id}", account.AccountRead, "readDevice", "Read a device and how it is", s.readDevice),
		op[changeDeviceInput, output[DeviceReply]]("PATCH /devices/{id}", account.Admin, "changeDevice", "Change a device", s.changeDevice),
		op[IDInput, nothing]("DELETE /devices/{id}", account.Admin, "deleteDevice", "Log a device out and delete it; no message waits in it", s.deleteDevice).answers(204),
		op[IDInput, nothing]("POST /devices/{id}/logout", account.Admin, "logoutDevice", "Log a device out, or give up its pairing", s.logoutDevice).answers(204),
		op[IDInput, nothing]("POST /devices/{id}/reconnect", account.Admin, "reconnectDevice", "Close the session of a device and open it again", s.reconnectDevice).answers(204),
		op[noInput, output[workspacesReply]]("GET /workspaces", account.AccountRead, "listWorkspaces", "List the labels of the account's devices", s.listWorkspaces),
	}
}

// defaultDevice is the driver of a device whose maker names none.
const defaultDevice = "whatsapp"

// paceRequest is how carefully a device sends; what is absent stays, or is the driver's own choice.
type paceRequest struct {
	Every  *string `json:"every,omitempty" doc:"Between two messages on average; 0s: as fast as the network takes them." example:"3s"`
	Jitter *int    `json:"jitter,omitempty" minimum:"0" maximum:"100" doc:"Percent of it by which a pause may be longer or shorter."`
	Daily  *int    `json:"daily,omitempty" minimum:"0" doc:"Messages of a day (UTC); what is over waits for the next. 0: any number."`
	WarmUp *int    `json:"warm_up,omitempty" minimum:"0" doc:"Days after linking over which daily grows from first."`
	First  *int    `json:"first,omitempty" minimum:"1" doc:"Messages of the first day."`
}

// callsRequest is what becomes of calls that come in; what is absent stays.
type callsRequest struct {
	Policy     *string   `json:"policy,omitempty" enum:"ring,reject"`
	Message    *string   `json:"message,omitempty" doc:"Sent to who was rejected; empty: nothing."`
	Exceptions *[]string `json:"exceptions,omitempty" doc:"Numbers whose calls ring on."`
}

// deviceRequest is a device to make.
type deviceRequest struct {
	Name      string        `json:"name" maxLength:"100" doc:"Unique among the account's channels." example:"shop"`
	Driver    string        `json:"driver,omitempty" doc:"whatsapp without it."`
	Workspace string        `json:"workspace,omitempty" maxLength:"100" doc:"A label that groups devices." example:"Marketing"`
	Official  bool          `json:"official,omitempty" doc:"The account speaks through it where a caller names no device."`
	Pace      *paceRequest  `json:"pace,omitempty"`
	Calls     *callsRequest `json:"calls,omitempty"`
	Settings  settings      `json:"settings,omitempty"`
}

// deviceChangeRequest is what to change of a device; what is absent stays.
type deviceChangeRequest struct {
	Name      *string       `json:"name,omitempty" maxLength:"100"`
	Workspace *string       `json:"workspace,omitempty" maxLength:"100"`
	Official  *bool         `json:"official,omitempty"`
	Enabled   *bool         `json:"enabled,omitempty"`
	Pace      *paceRequest  `json:"pace,omitempty"`
	Calls     *callsRequest `json:"calls,omitempty"`
	Settings  settings      `json:"settings,omitempty"`
}

type (
	devicesInput struct {
		PageInput
		Workspace string `query:"workspace" doc:"Only devices with this label."`
		Q         string `query:"q" doc:"Only devices whose name, phone number or owner's name has this in it."`
	}
	changeDeviceInput struct {
		IDInput
		Body deviceChangeRequest
	}
)

// DeviceReply is a channel that a phone links.
type DeviceReply struct {
	ID        string     `json:"id" format:"uuid" doc:"Of the channel, too."`
	Name      string     `json:"name"`
	Driver    string     `json:"driver"`
	Workspace string     `json:"workspace"`
	Official  bool       `json:"official"`
	Enabled   bool       `json:"enabled"`
	Linked    bool       `json:"linked"`
	LinkedAt  *string    `json:"linked_at" format:"date-time" nullable:"true"`
	Phone     string     `json:"phone" doc:"Whose phone it is linked to, or was linked to last."`
	LID       string     `json:"lid"`
	PushName  string     `json:"push_name"`
	RemoteID  string     `json:"remote_id" doc:"The network's own name of the device."`
	State     liveReply  `json:"state"`
	Unlinked  *whyReply  `json:"unlinked,omitempty" doc:"Why it is linked no more."`
	Limited   *whyReply  `json:"limited,omitempty" doc:"What the network restricts; nothing is sent meanwhile."`
	Pace      *paceReply `json:"pace,omitempty"`
	Settings  *settings  `json:"settings,omitempty"`
	CreatedAt string     `json:"created_at" format:"date-time"`
	UpdatedAt string     `json:"updated_at" format:"date-time"`
}

// whyReply is why something is as it is, and until when.
type whyReply struct {
	Code   string  `json:"code" example:"logged_out"`
	Reason string  `json:"reason"`
	At     string  `json:"at" format:"date-time"`
	Until  *string `json:"until,omitempty" format:"date-time"`
}

// paceReply is how carefully a device sends, and how its day is.
type paceReply struct {
	EveryMS int64   `json:"every_ms"`
	Jitter  int     `json:"jitter"`
	Daily   int     `json:"daily"`
	WarmUp  int     `json:"warm_up"`
	First   int     `json:"first"`
	Today   int     `json:"today" doc:"Messages that may go today; 0: any number."`
	Sent    int     `json:"sent" doc:"Messages that went today."`
	Waits   *string `json:"waits_until,omitempty" format:"date-time" doc:"Nothing goes before."`
}

// workspacesReply is the labels in use: there are few.
type workspacesReply struct {
	Items []string `json:"items" nullable:"false"`
}

// deviceSettings puts pace and calls where drivers of devices have them among their settings.
func deviceSettings(s settings, pace *paceRequest, calls *callsRequest) (json.RawMessage, error) {
	values := map[string]any{}
	if len(s.RawMessage) > 0 {
		if err := json.Unmarshal(s.RawMessage, &values); err != nil || values == nil {
			return nil, fault.New(fault.InvalidField, "settings are a JSON object").In("settings")
		}
	}
	if pace != nil {
		place(values, "pace", pace.Every)
		place(values, "jitter", pace.Jitter)
		place(values, "daily", pace.Daily)
		place(values, "warm_up", pace.WarmUp)
		place(values, "first", pace.First)
	}
	if calls != nil {
		place(values, "calls", calls.Policy)
		place(values, "call_message", calls.Message)
		place(values, "call_exceptions", calls.Exceptions)
	}
	return json.Marshal(values)
}

func place[T any](values map[string]any, key string, value *T) {
	if value != nil {
		values[key] = *value
	}
}

// createDevice makes a channel of a driver that phones link.
func (s *server) createDevice(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[deviceRequest](r)
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	wish := connection.Channel{Account: c.Account.ID, Name: in.Name, Driver: cmp.Or(in.Driver, defaultDevice), Enabled: true, Workspace: in.Workspace, Official: in.Official}
	if !s.core.Gateway.Links(wish) {
		return fault.New(fault.InvalidField, "no phone links a channel of the driver %.40q", wish.Driver).In("driver")
	}
	set, err := deviceSettings(in.Settings, in.Pace, in.Calls)
	if err != nil {
		return err
	}
	wish.Settings = channel.Settings(set)
	return api.Commit(w, r, http.StatusCreated, func(tx *store.Tx) (any, error) {
		made, err := s.core.Gateway.CreateChannel(tx, c.By, wish)
		if err != nil {
			return nil, err
		}
		return s.showDevice(r.Context(), &made, nil)
	})
}

// listDevices lists the account's own devices, newest first.
func (s *server) listDevices(w http.ResponseWriter, r *http.Request) error {
	states, err := s.core.Channels.States(r.Context())
	if err != nil {
		return err
	}
	workspace, q := r.URL.Query().Get("workspace"), strings.ToLower(r.URL.Query().Get("q"))
	return simple(s, w, r, "devices", func(after int64, limit int) ([]connection.Channel, error) {
		all, err := s.core.Channels.All(r.Context())
		if err != nil {
			return nil, err
		}
		slices.Reverse(all)
		var list []connection.Channel
		for _, c := range all {
			if len(list) == limit {
				break
			}
			if c.Account != api.CallerOf(r).Account.ID || !s.core.Gateway.Links(c) || after != 0 && int64(c.ID) >= after || workspace != "" && c.Workspace != workspace {
				continue
			}
			if found, err := s.matches(r.Context(), c, q); err != nil {
				return nil, err
			} else if found {
				list = append(list, c)
			}
		}
		return list, nil
	}, func(c *connection.Channel) (DeviceReply, int64) {
		shown, err := s.showDevice(r.Context(), c, states[c.ID])
		if err != nil {
			shown.State.Reason = "The settings cannot be read."
		}
		return shown, int64(c.ID)
	})
}

func (s *server) matches(ctx context.Context, c connection.Channel, q string) (bool, error) {
	if q == "" {
		return true, nil
	}
	d, err := s.core.Channels.Device(ctx, c.ID)
	return slices.ContainsFunc([]string{c.Name, d.Person.Phone.Value, d.Person.PushName}, func(text string) bool {
		return strings.Contains(strings.ToLower(text), q)
	}), err
}

// ownDevice is the device of the path, if the caller may change it.
func (s *server) ownDevice(r *http.Request) (connection.Channel, error) {
	c, err := s.own(r)
	if err == nil && !s.core.Gateway.Links(c) {
		err = fault.New(fault.NotHere, "there is no device %s", c.ID)
	}
	return c, err
}

func (s *server) readDevice(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	return s.replyDevice(w, r, &c)
}

func (s *server) replyDevice(w http.ResponseWriter, r *http.Request, c *connection.Channel) error {
	states, err := s.core.Channels.States(r.Context())
	if err != nil {
		return err
	}
	shown, err := s.showDevice(r.Context(), c, states[c.ID])
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, shown)
}

// showDevice shows a device to whose it is.
func (s *server) showDevice(ctx context.Context, c *connection.Channel, states []connection.State) (shown DeviceReply, err error) {
	d, err := s.core.Channels.Device(ctx, c.ID)
	if err != nil {
		return shown, err
	}
	shown = DeviceReply{
		ID: c.ID.String(), Name: c.Name, Driver: c.Driver, Workspace: c.Workspace, Official: c.Official, Enabled: c.Enabled,
		Linked: !d.Linked.IsZero(), LinkedAt: showMaybe(d.Linked), Phone: d.Person.Phone.Value, LID: d.Person.LID.Value, PushName: d.Person.PushName, RemoteID: d.Remote,
		State: showLive(c, states, true), CreatedAt: showTime(c.ID.Time()), UpdatedAt: showTime(c.Updated),
	}
	if d.Unlinked.Code != "" {
		shown.Unlinked = &whyReply{Code: d.Unlinked.Code, Reason: d.Unlinked.Reason, At: showTime(d.UnlinkedAt)}
	}
	if !d.LimitedUntil(s.core.Store.Now()).IsZero() {
		shown.Limited = &whyReply{Code: d.Limited.Code, Reason: d.Limited.Reason, At: showTime(d.LimitedAt), Until: showMaybe(d.Limited.Until)}
	}
	now, careful, err := s.core.Gateway.Careful(ctx, *c)
	if err != nil {
		return shown, err
	}
	if careful {
		shown.Pace = &paceReply{
			EveryMS: now.Every.Milliseconds(), Jitter: int(now.Jitter*100 + 0.5), Daily: now.Daily, WarmUp: now.WarmUp, First: now.First,
			Today: now.Most, Sent: now.Sent, Waits: showMaybe(now.Until),
		}
	}
	text, err := s.core.Gateway.ShownSettings(*c)
	shown.Settings = &settings{text}
	return shown, err
}

// changeDevice changes what the request names.
func (s *server) changeDevice(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	in, err := api.Decode[deviceChangeRequest](r)
	if err != nil {
		return err
	}
	patch, err := deviceSettings(in.Settings, in.Pace, in.Calls)
	if err != nil {
		return err
	}
	err = s.core.Store.Write(func(tx *store.Tx) (err error) {
		c, err = s.core.Gateway.ChangeChannel(tx, api.CallerOf(r).By, c.ID, func(c *connection.Channel) (err error) {
			set(&c.Name, in.Name)
			set(&c.Workspace, in.Workspace)
			set(&c.Official, in.Official)
			set(&c.Enabled, in.Enabled)
			c.Settings, err = s.core.Gateway.MergeSettings(*c, patch)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	if c, _, err = s.core.Channels.Get(r.Context(), c.ID); err != nil {
		return err
	}
	return s.replyDevice(w, r, &c)
}

func (s *server) deleteDevice(w http.ResponseWriter, r *http.Request) error {
	return s.withDevice(w, r, func(c connection.Channel) error { return s.core.Fleet.Delete(r.Context(), api.CallerOf(r).By, c) })
}

func (s *server) logoutDevice(w http.ResponseWriter, r *http.Request) error {
	return s.withDevice(w, r, func(c connection.Channel) error { return s.core.Fleet.Unlink(r.Context(), api.CallerOf(r).By, c) })
}

func (s *server) reconnectDevice(w http.ResponseWriter, r *http.Request) error {
	return s.withDevice(w, r, func(c connection.Channel) error { return s.core.Fleet.Reconnect(r.Context(), c) })
}

// withDevice does something with the device of the path that has no reply.
func (s *server) withDevice(w http.ResponseWriter, r *http.Request, do func(c connection.Channel) error) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	if err := do(c); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listWorkspaces(w http.ResponseWriter, r *http.Request) error {
	all, err := s.core.Channels.All(r.Context())
	if err != nil {
		return err
	}
	reply := workspacesReply{Items: []string{}}
	for _, c := range all {
		if c.Account == api.CallerOf(r).Account.ID && c.Workspace != "" {
			reply.Items = append(reply.Items, c.Workspace)
		}
	}
	slices.Sort(reply.Items)
	reply.Items = slices.Compact(reply.Items)
	return api.Reply(w, http.StatusOK, reply)
}
