package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// maxChannelName is how many characters a channel's name may have.
const maxChannelName = 100

// CreateChannel makes a channel once its driver has looked at the settings. Its fault tells every mistake in them. A device becomes the default
// of its kind for an account that has none: whoever links one phone need not name it with each message.
func (g *Gateway) CreateChannel(tx *store.Tx, by audit.Actor, c connection.Channel) (connection.Channel, error) {
	if err := g.checkChannel(&c); err != nil {
		return c, err
	}
	if err := g.checkDevices(tx, c); err != nil {
		return c, err
	}
	made, err := g.Connections.Create(tx, by, c)
	if err != nil || made.Account == 0 || !g.Links(made) {
		return made, err
	}
	others, err := g.Routes.Defaults(tx.Context(), made.Account, made.Kind)
	if err != nil || len(others) > 0 {
		return made, err
	}
	return made, g.Routes.SetDefaults(tx, by, made.Account, made.Kind, []message.ChannelID{made.ID})
}

// ChangeChannel changes a channel as edit does, once its driver has looked at the settings.
func (g *Gateway) ChangeChannel(tx *store.Tx, by audit.Actor, id message.ChannelID, edit func(*connection.Channel) error) (connection.Channel, error) {
	c, err := g.channelIn(tx, id)
	if err != nil {
		return c, err
	}
	old := c
	if err := edit(&c); err != nil {
		return c, err
	}
	if err := g.checkChannel(&c); err != nil {
		return c, err
	}
	if c.Shards != old.Shards { // what waits in a lane that is no more would wait for ever
		if err := g.checkEmpty(tx, old, "shards"); err != nil {
			return c, err
		}
	}
	return c, g.Connections.Update(tx, by, c)
}

// checkDevices refuses one more linked device than the plan of the account gives it with its subaccounts.
func (g *Gateway) checkDevices(tx *store.Tx, c connection.Channel) error {
	if c.Account == 0 || !g.Links(c) {
		return nil
	}
	accounts, err := g.Members.All(tx.Context())
	if err != nil {
		return err
	}
	family, most := map[account.ID]account.ID{}, 0
	for _, a := range accounts {
		if family[a.ID] = a.Root(); a.ID == c.Account {
			most = a.Limits.Devices
		}
	}
	all, err := g.Connections.All(tx.Context())
	if err != nil || most == 0 {
		return err
	}
	n := 0
	for _, other := range all {
		if other.Account != 0 && family[other.Account] == family[c.Account] && g.Links(other) {
			n++
		}
	}
	if n >= most {
		return fault.New(fault.DeviceLimit, "the account has %d devices, and may have %d", n, most)
	}
	return nil
}

// Official is the channel through which an account speaks where a caller names none: its own that is marked so, else one that all
// share; false when there is none.
func (g *Gateway) Official(ctx context.Context, a account.ID, kind message.Kind) (connection.Channel, bool, error) {
	all, err := g.Connections.All(ctx)
	if err != nil {
		return connection.Channel{}, false, err
	}
	for _, whose := range []account.ID{a, 0} {
		i := slices.IndexFunc(all, func(c connection.Channel) bool {
			return c.Account == whose && c.Kind == kind && c.Official && c.Enabled
		})
		if i >= 0 {
			return all[i], true, nil
		}
	}
	return connection.Channel{}, false, nil
}

// RemoteID is the id by which a network knows a message of one part from the start, where its driver chooses it; empty where the network
// does.
func (g *Gateway) RemoteID(m message.Message) string {
	c, ok, err := g.Connections.Get(context.Background(), m.Channel)
	if err != nil || !ok || g.drivers[c.Driver].RemoteID == nil {
		return ""
	}
	return g.drivers[c.Driver].RemoteID(message.Outbound{Message: m.ID, Account: m.Account, Attempt: 1, Number: 1, Total: m.Total, To: m.To, From: m.From})
}

func (g *Gateway) channelIn(tx *store.Tx, id message.ChannelID) (connection.Channel, error) {
	c, ok, err := g.Connections.Get(tx.Context(), id)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no channel %s", id)
	}
	return c, err
}

// checkChannel has the driver look at the settings, and gives the channel the driver's kind.
func (g *Gateway) checkChannel(c *connection.Channel) error {
	driver, ok := g.drivers[c.Driver]
	switch {
	case c.Driver == "":
		return fault.New(fault.MissingField, "a channel has a driver").In("driver")
	case !ok:
		return fault.New(fault.InvalidField, "there is no driver %.40q", c.Driver).In("driver")
	case strings.TrimSpace(c.Name) == "":
		return fault.New(fault.MissingField, "a channel has a name").In("name")
	case utf8.RuneCountInString(c.Name) > maxChannelName:
		return fault.New(fault.InvalidField, "a name has at most %d characters", maxChannelName).In("name")
	}
	c.Kind = driver.Kind
	if utf8.RuneCountInString(c.Workspace) > maxChannelName {
		return fault.New(fault.InvalidField, "a workspace has at most %d characters", maxChannelName).In("workspace")
	}
	err := driver.Check(c.Settings)
	all := fault.All(err)
	if all == nil {
		return err
	}
	for _, f := range append([]*fault.Fault{all}, all.More...) {
		f.Field = strings.TrimSuffix("settings."+f.Field, ".")
	}
	return all
}

// DeleteChannel deletes a channel in which nothing waits, with the numbers and leaves on it and its place among defaults.
func (g *Gateway) DeleteChannel(tx *store.Tx, by audit.Actor, id message.ChannelID) error {
	c, err := g.channelIn(tx, id)
	if err != nil {
		return err
	}
	if err := g.checkEmpty(tx, c, ""); err != nil {
		return err
	}
	if err := g.Numbers.Forget(tx, by, id); err != nil {
		return err
	}
	if err := g.Routes.Forget(tx, id); err != nil {
		return err
	}
	return g.Connections.Delete(tx, by, c)
}

// checkEmpty refuses to go on while messages wait in the channel.
func (g *Gateway) checkEmpty(tx *store.Tx, c connection.Channel, field string) error {
	depths, err := g.Queue.Depths(tx.Context(), tx.Queries(), lanesOf(c.ID))
	if err != nil {
		return err
	}
	n := 0
	for _, waiting := range depths {
		n += waiting
	}
	if n > 0 {
		return fault.New(fault.ChannelInUse, "messages that wait in the channel: %d", n).In(field)
	}
	return nil
}

// lanesOf is how the names of a channel's lanes begin.
func lanesOf(id message.ChannelID) string { return strings.TrimSuffix(Lane(id, 0), "0") }

// WaitingIn counts the messages that wait in a channel, by priority.
func (g *Gateway) WaitingIn(ctx context.Context, id message.ChannelID) (map[message.Priority]int, error) {
	depths, err := g.Queue.Depths(ctx, g.Store.Reader(), lanesOf(id))
	if err != nil {
		return nil, err
	}
	waiting := map[message.Priority]int{}
	for priority, n := range depths {
		waiting[message.Priority(priority)] = n
	}
	return waiting, nil
}

// mask stands where a secret is.
const mask = "********"

// ShownSettings are a channel's settings without its secrets.
func (g *Gateway) ShownSettings(c connection.Channel) (json.RawMessage, error) {
	values, err := settingsOf(c.Settings)
	if err != nil {
		return nil, err
	}
	driver, known := g.drivers[c.Driver]
	for key := range values {
		if !known || slices.Contains(driver.Secrets, key) {
			values[key] = json.RawMessage(`"` + mask + `"`)
		}
	}
	return json.Marshal(values)
}

// MergeSettings puts settings over those that are there. One that is absent stays, and so does a secret that is written as it
// is shown; one that is null goes.
func (g *Gateway) MergeSettings(c connection.Channel, patch json.RawMessage) (channel.Settings, error) {
	values, err := settingsOf(c.Settings)
	if err != nil {
		return nil, err
	}
	changes, err := settingsOf(channel.Settings(patch))
	if err != nil {
		return nil, fault.New(fault.InvalidField, "settings are a JSON object").In("settings")
	}
	for key, value := range changes {
		switch {
		case string(value) == "null":
			delete(values, key)
		case string(value) == `"`+mask+`"` && slices.Contains(g.drivers[c.Driver].Secrets, key):
		default:
			values[key] = value
		}
	}
	merged, err := json.Marshal(values)
	return channel.Settings(merged), err
}

func settingsOf(s channel.Settings) (values map[string]json.RawMessage, err error) {
	if err := s.Decode(&values); err != nil || values == nil {
		return nil, fmt.Errorf("read a channel's settings: %w", err)
	}
	return values, nil
}

// SetDefaults names the channels that carry an account's messages of a kind which name none, in the order in which they are
// tried; for account zero, those of all accounts that have none of their own.
func (g *Gateway) SetDefaults(tx *store.Tx, by audit.Actor, a account.ID, kind message.Kind, channels []message.ChannelID) error {
	for i, id := range channels {
		c, ok, err := g.Connections.Get(tx.Context(), id)
		if err != nil {
			return err
		}
		if !ok || c.Kind != kind || c.Account != 0 && c.Account != a {
			return fault.New(fault.InvalidField, "there is no %s channel %s", kind, id).In(fmt.Sprintf("%s[%d]", kind, i))
		}
	}
	return g.Routes.SetDefaults(tx, by, a, kind, channels)
}

// TellOfChannel appends a notice about a channel to the events of its account, or of the operator's when all share it.
func (g *Gateway) TellOfChannel(tx *store.Tx, c connection.Channel, kind event.Kind, reason string) error {
	return g.noticeOf(tx, c, kind, event.Channel{ID: c.ID.String(), Name: c.Name, Shared: c.Account == 0, Reason: reason})
}
