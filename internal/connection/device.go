package connection

import (
	"context"
	"fmt"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// topicDevice names what is kept in memory: which device each channel is.
const topicDevice = "device"

// Device is who a channel is to its network, where it must be linked to somebody's phone.
type Device struct {
	Remote string         // the network's own name of it; empty: nothing that its driver kept of it is left here
	Person message.Person // whose phone it is linked to, or was linked to last
	Linked time.Time      // zero: it is not linked

	Unlinked   channel.Unlinked // why it is not linked any more; empty: it never was
	UnlinkedAt time.Time
	Limited    channel.Limited // what the network restricts; empty: nothing
	LimitedAt  time.Time
}

// LimitGuess is how long nothing is sent because of a limit of which nobody knows when it ends.
const LimitGuess = time.Hour

// LimitedUntil is when what the network restricts ends; zero: it restricts nothing now.
func (d *Device) LimitedUntil(now time.Time) time.Time {
	if d.Limited.Code == "" {
		return time.Time{}
	}
	until := d.Limited.Until
	if until.IsZero() {
		until = d.LimitedAt.Add(LimitGuess)
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

func loadDevices(ctx context.Context, q store.Queryer) (map[message.ChannelID]Device, error) {
	rows, err := on(q).Devices(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[message.ChannelID]Device, len(rows))
	for _, r := range rows {
		all[r.ChannelID] = Device{
			Remote: r.Remote, Linked: moment(r.LinkedAt),
			Person:     message.Person{Phone: message.ParseAddress(r.Phone), LID: message.ParseAddress(r.Lid), PushName: r.PushName},
			Unlinked:   channel.Unlinked{Code: r.UnlinkedCode, Reason: r.UnlinkedReason},
			UnlinkedAt: moment(r.UnlinkedAt),
			Limited:    channel.Limited{Code: r.LimitedCode, Reason: r.LimitedReason, Until: moment(r.LimitedUntil)},
			LimitedAt:  moment(r.LimitedAt),
		}
	}
	return all, nil
}

// moment is a stored time; zero for none.
func moment(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli).UTC()
}

// Device tells which device a channel is. It costs a look into memory.
func (k *Keeper) Device(ctx context.Context, id message.ChannelID) (Device, error) {
	all, err := k.devices.Get(ctx)
	return all[id], err
}

// Link writes down that the channel is a device from now on.
func (k *Keeper) Link(tx *store.Tx, id message.ChannelID, who channel.Identity) error {
	p := who.Person
	err := store.Run(tx, linkDevice, []linkDeviceParams{{
		ChannelID: id, Remote: who.Remote, Phone: p.Phone.String(), Lid: p.LID.String(), PushName: p.PushName, LinkedAt: tx.NowMilli(),
	}})
	return noteDevice(tx, err)
}

// Name writes down what became known of a linked device; false when the channel is not linked.
func (k *Keeper) Name(tx *store.Tx, id message.ChannelID, who channel.Identity) (bool, error) {
	p := who.Person
	n, err := store.Each(tx, nameDevice, []nameDeviceParams{{
		ChannelID: id, Remote: who.Remote, Phone: p.Phone.String(), Lid: p.LID.String(), PushName: p.PushName,
	}})
	return changedDevice(tx, n, err)
}

// Unlink writes down that the channel is linked no more; false when it was not.
func (k *Keeper) Unlink(tx *store.Tx, id message.ChannelID, why channel.Unlinked) (bool, error) {
	n, err := store.Each(tx, unlinkDevice, []unlinkDeviceParams{{ChannelID: id, At: tx.NowMilli(), Code: why.Code, Reason: why.Reason}})
	return changedDevice(tx, n, err)
}

// Limit writes down what the network restricts; false when the channel is not linked.
func (k *Keeper) Limit(tx *store.Tx, id message.ChannelID, what channel.Limited) (bool, error) {
	n, err := store.Each(tx, limitDevice, []limitDeviceParams{{
		ChannelID: id, At: tx.NowMilli(), Until: milli(what.Until), Code: what.Code, Reason: what.Reason,
	}})
	return changedDevice(tx, n, err)
}

// Forgotten writes down that the driver has dropped what it kept of a device that is linked no more.
func (k *Keeper) Forgotten(tx *store.Tx, id message.ChannelID) error {
	n, err := store.Each(tx, forgetDevice, []forgetDeviceParams{{ChannelID: id}})
	_, err = changedDevice(tx, n, err)
	return err
}

func changedDevice(tx *store.Tx, n []int64, err error) (bool, error) {
	if err == nil && n[0] == 0 {
		return false, nil
	}
	return err == nil, noteDevice(tx, err)
}

func noteDevice(tx *store.Tx, err error) error {
	if err != nil {
		return fmt.Errorf("write down a device: %w", err)
	}
	return tx.Touch(topicDevice)
}

// dropDevice forgets all that is known of a channel as a device.
func (k *Keeper) dropDevice(tx *store.Tx, id message.ChannelID) error {
	for _, err := range []error{
		store.Run(tx, dropDevice, []dropDeviceParams{{ChannelID: id}}), store.Run(tx, dropDay, []dropDayParams{{ChannelID: id}}),
		store.Run(tx, dropPairing, []dropPairingParams{{ChannelID: id}}), store.Run(tx, dropNumberChecksOn, []dropNumberChecksOnParams{{ChannelID: id}}),
	} {
		if err != nil {
			return fmt.Errorf("forget a device: %w", err)
		}
	}
	return noteDevice(tx, tx.Touch(topicPairing))
}
