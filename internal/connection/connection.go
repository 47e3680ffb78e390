// Package connection keeps channels: the configured connections to networks, with their settings sealed at rest.
package connection

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topic names what is kept in memory: all channels, opened.
const topic = "channel"

// maxShards bounds the lanes of a channel.
const maxShards = 64

// Channel is a configured connection to a network.
type Channel struct {
	ID       message.ChannelID
	Account  account.ID // zero: the operator shares it with all accounts
	Name     string     // unique in the account
	Driver   string
	Kind     message.Kind
	Settings channel.Settings // the driver's own; may hold secrets; not to be changed in place
	Sender   message.Address  // what messages that name no sender come from; may be none
	Rate     int              // parts per second over all its lanes; zero: as fast as the network takes them
	Shards   int              // lanes its recipients are spread over
	Enabled  bool
	Mode     Mode
	Senders  Senders
	Updated  time.Time

	Workspace string // a label that groups channels; may be empty
	Official  bool   // the account speaks through it where a caller names none; one of its kind is
}

// Mode is what is wanted of a channel, beside that it is enabled.
type Mode string

// The modes.
const (
	Working  Mode = ""
	Paused   Mode = "paused"   // it keeps its session, and sends nothing
	Draining Mode = "draining" // it finishes what is under way, and closes its session
)

// Senders is who may be named as sender of what goes out by a channel.
type Senders string

// The choices of senders.
const (
	AnySender        Senders = "any"        // whoever is not someone else's
	RegisteredSender Senders = "registered" // an account's numbers, those it was given leave to use, and the channel's own
)

// stateOrder is where what drivers keep is written in a shared transaction: before what is told of it.
const stateOrder = 4

// Keeper keeps channels.
type Keeper struct {
	store   *store.Store
	all     *store.Cached[*register]
	live    *store.Cached[*states]
	states  *store.Batch[stateChange]
	devices *store.Cached[map[message.ChannelID]Device]
	open    *store.Cached[map[message.ChannelID]bool]
	days    days
}

// New returns the keeper of the store's channels.
func New(s *store.Store) *Keeper {
	k := &Keeper{store: s}
	k.all, k.live = store.NewCached(s, topic, k.load), store.NewCached(s, topicState, k.loadStates)
	k.states = store.NewBatch(s, "driver state", stateOrder, changeStates)
	k.devices, k.open = store.NewCached(s, topicDevice, loadDevices), store.NewCached(s, topicPairing, loadOpenPairings)
	return k
}

// register is all channels in memory.
type register struct {
	list []Channel
	byID map[message.ChannelID]Channel
}

func (k *Keeper) load(ctx context.Context, q store.Queryer) (*register, error) {
	rows, err := on(q).Channels(ctx)
	if err != nil {
		return nil, err
	}
	r := &register{byID: map[message.ChannelID]Channel{}}
	for _, row := range rows {
		settings, err := k.store.Unseal(place(row.ID), row.Settings)
		if err != nil {
			return nil, err
		}
		c := Channel{
			ID: row.ID, Account: row.AccountID, Name: row.Name, Driver: row.Driver, Kind: message.Kind(row.Kind),
			Settings: channel.Settings(settings), Sender: message.ParseAddress(row.Sender),
			Rate: int(row.Rate), Shards: int(row.Shards), Enabled: row.Enabled == 1,
			Mode: Mode(row.Mode), Senders: Senders(row.Senders), Updated: time.UnixMilli(row.UpdatedAt).UTC(),
			Workspace: row.Workspace, Official: row.Official == 1,
		}
		r.list, r.byID[c.ID] = append(r.list, c), c
	}
	return r, nil
}

// place is where a channel's settings are sealed for.
func place(id message.ChannelID) string { return fmt.Sprintf("channel/%d", int64(id)) }

// Create stores a new channel, or fails with fault.AlreadyThere when the account has one of the name. Whether the settings
// make sense, the driver has said before.
func (k *Keeper) Create(tx *store.Tx, by audit.Actor, c Channel) (Channel, error) {
	c.Shards, c.Updated = max(c.Shards, 1), tx.Now().Truncate(time.Millisecond).UTC()
	c.ID = message.ChannelID(tx.NewID())
	sealed, err := k.check(&c)
	if err != nil {
		return c, err
	}
	added, err := store.Each(tx, addChannel, []addChannelParams{{
		ID: c.ID, AccountID: c.Account, Name: c.Name, Driver: c.Driver, Kind: string(c.Kind), Settings: sealed, Sender: c.Sender.String(),
		Rate: int64(c.Rate), Shards: int64(c.Shards), Enabled: flag(c.Enabled), Mode: string(c.Mode), Senders: string(c.Senders),
		Workspace: c.Workspace, Official: flag(c.Official), UpdatedAt: c.Updated.UnixMilli(),
	}})
	if err != nil {
		return c, fmt.Errorf("create channel: %w", err)
	}
	if added[0] == 0 {
		return c, taken(c)
	}
	return c, errors.Join(onlyOfficial(tx, c), changed(tx, by, "channel.create", c))
}

// Update changes a channel. Its account, driver and kind stay what they are.
func (k *Keeper) Update(tx *store.Tx, by audit.Actor, c Channel) error {
	c.Updated = tx.Now()
	sealed, err := k.check(&c)
	if err != nil {
		return err
	}
	touched, err := store.Each(tx, changeChannel, []changeChannelParams{{
		ID: c.ID, Name: c.Name, Settings: sealed, Sender: c.Sender.String(),
		Rate: int64(c.Rate), Shards: int64(c.Shards), Enabled: flag(c.Enabled), Mode: string(c.Mode), Senders: string(c.Senders),
		Workspace: c.Workspace, Official: flag(c.Official), UpdatedAt: c.Updated.UnixMilli(),
	}})
	if err != nil {
		return fmt.Errorf("update channel: %w", err)
	}
	if touched[0] == 1 {
		return errors.Join(onlyOfficial(tx, c), changed(tx, by, "channel.update", c))
	}
	there, err := store.First[message.ChannelID](tx, channelThere, []channelThereParams{{ID: c.ID}})
	if err != nil {
		return fmt.Errorf("update channel: %w", err)
	}
	if there[0] == nil {
		return fault.New(fault.NotHere, "channel %s", c.ID)
	}
	return taken(c)
}

// onlyOfficial has the account's other channels of the kind give way to one that is official now.
func onlyOfficial(tx *store.Tx, c Channel) error {
	if !c.Official {
		return nil
	}
	if err := store.Run(tx, oneOfficial, []oneOfficialParams{{AccountID: c.Account, Kind: string(c.Kind), ID: c.ID}}); err != nil {
		return fmt.Errorf("make a channel official: %w", err)
	}
	return nil
}

// check refuses what no channel can be and seals the settings.
func (k *Keeper) check(c *Channel) (sealed string, err error) {
	if len(bytes.TrimSpace(c.Settings)) == 0 {
		c.Settings = channel.Settings("{}")
	}
	c.Senders = cmp.Or(c.Senders, AnySender)
	switch {
	case c.Name == "" || c.Driver == "" || c.Kind == "":
		return "", fault.New(fault.MissingField, "a channel has a name, a driver and a kind")
	case c.Rate < 0:
		return "", fault.New(fault.InvalidField, "a rate is not below zero").In("rate")
	case c.Shards < 1 || c.Shards > maxShards:
		return "", fault.New(fault.InvalidField, "a channel has 1 to %d shards", maxShards).In("shards")
	case !json.Valid(c.Settings) || bytes.TrimSpace(c.Settings)[0] != '{':
		return "", fault.New(fault.InvalidField, "settings are a JSON object").In("settings")
	case c.Senders != AnySender && c.Senders != RegisteredSender:
		return "", fault.New(fault.InvalidField, "senders are %s or %s", AnySender, RegisteredSender).In("senders")
	}
	return k.store.Seal(place(c.ID), string(c.Settings))
}

// Delete removes a channel with all that is known of how it is. Whether anything still needs it, the gateway has said before.
func (k *Keeper) Delete(tx *store.Tx, by audit.Actor, c Channel) error {
	dropped, err := store.Each(tx, dropChannel, []dropChannelParams{{ID: c.ID}})
	if err != nil {
		return fmt.Errorf("delete channel: %w", err)
	}
	if dropped[0] == 0 {
		return fault.New(fault.NotHere, "channel %s", c.ID)
	}
	err = errors.Join(store.Run(tx, dropStatesOn, []dropStatesOnParams{{ChannelID: c.ID}}), store.Run(tx, dropDriverStates, []dropDriverStatesParams{{ChannelID: c.ID}}))
	if err != nil {
		return fmt.Errorf("delete channel: %w", err)
	}
	if _, err := k.Rose(tx, c.ID); err != nil {
		return err
	}
	if err := k.dropDevice(tx, c.ID); err != nil {
		return err
	}
	return changed(tx, by, "channel.delete", c)
}

func taken(c Channel) error {
	return fault.New(fault.AlreadyThere, "there is a channel named %q", c.Name).In("name")
}

func changed(tx *store.Tx, by audit.Actor, action string, c Channel) error {
	if err := audit.Append(tx, audit.Entry{Account: c.Account, Actor: by, Action: action, Subject: c.ID.String(), Detail: c.Name}); err != nil {
		return err
	}
	return tx.Touch(topic)
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

// Get returns one channel, of whichever account.
func (k *Keeper) Get(ctx context.Context, id message.ChannelID) (Channel, bool, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return Channel{}, false, err
	}
	c, ok := r.byID[id]
	return c, ok, nil
}

// All lists the channels of all accounts, in the order in which they were made.
func (k *Keeper) All(ctx context.Context) ([]Channel, error) {
	r, err := k.all.Get(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.list), nil
}
