package apitest

import (
	"context"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// linkedDriver is the driver of devices that are linked to phones: surfaces know it by the name of the real one.
const linkedDriver = "whatsapp"

// linked is a driver of devices whose phones are scripted: the first code is 2@code or ABCD-EFGH and nobody scans it, numbers that end in
// 9913 are nobody's, and everybody knows Jane.
func linked() channel.Driver {
	d := mute(linkedDriver)
	d.Kind, d.Features = message.WhatsApp, channel.Features{
		Media: true, Receipts: true, Types: []message.Type{message.TypeImage, message.TypeVideo, message.TypeAudio, message.TypeDocument, message.TypeLocation, message.TypePoll, message.TypeReaction},
	}
	d.Check = func(channel.Settings) error { return nil }
	d.Link = &channel.Link{Pair: pair, Forget: func(context.Context, channel.Env) error { return nil }}
	d.RemoteID = remoteID
	d.Open = func(context.Context, channel.Env) (channel.Session, error) { return linkedSession{}, nil }
	return d
}

func remoteID(m message.Outbound) string { return "3EB0" + m.Message.String()[24:] }

func pair(ctx context.Context, _ channel.Env, phone string, show func(channel.Code)) (channel.Identity, error) {
	code := channel.Code{QR: "2@code", Until: time.Now().Add(time.Minute)}
	if phone != "" {
		code = channel.Code{Typed: "ABCD-EFGH", Until: code.Until}
	}
	show(code)
	<-ctx.Done()
	return channel.Identity{}, ctx.Err()
}

// linkedSession takes everything, and knows some people.
type linkedSession struct{ mutism }

// Send implements channel.Session.
func (linkedSession) Send(_ context.Context, m message.Outbound) (string, error) {
	return remoteID(m), nil
}

// Jane is whom devices know.
var Jane = message.Person{Phone: message.Address{Kind: message.Phone, Value: "+254701234567"}, Name: "Jane Doe", PushName: "jane"}

// Check implements channel.Checker.
func (linkedSession) Check(_ context.Context, phones []message.Address) ([]channel.Known, error) {
	known := make([]channel.Known, len(phones))
	for i, p := range phones {
		known[i] = channel.Known{Phone: p, There: p.Value[len(p.Value)-4:] != "9913", Person: message.Person{Phone: p}}
	}
	return known, nil
}

// People implements channel.AddressBook.
func (linkedSession) People(context.Context) ([]message.Person, error) {
	return []message.Person{Jane}, nil
}

// Picture implements channel.AddressBook.
func (linkedSession) Picture(context.Context, message.Address) (string, error) {
	return "https://pictures.example/me.jpg", nil
}

// Groups implements channel.Grouper.
func (linkedSession) Groups(context.Context) ([]channel.Group, error) {
	return []channel.Group{{
		Address: message.Address{Kind: message.Group, Value: "120363000000000001"}, Name: "Team", Topic: "Work", Owner: Jane,
		Created: time.Unix(1_700_000_000, 0), Announce: true, Ephemeral: 24 * time.Hour, Participants: []channel.Participant{{Person: Jane, Admin: true, Owner: true}},
	}}, nil
}

// Group implements channel.Grouper.
func (s linkedSession) Group(ctx context.Context, _ message.Address) (channel.Group, error) {
	all, err := s.Groups(ctx)
	return all[0], err
}

// Device makes a device of the account, and links it if phone is one.
func (w *World) Device(c connection.Channel, phone string) connection.Channel {
	w.t.Helper()
	c.Driver, c.Enabled, c.Settings = linkedDriver, true, channel.Settings("{}")
	w.Write(func(tx *store.Tx) (err error) {
		if c, err = w.Gateway.CreateChannel(tx, audit.System, c); err != nil || phone == "" {
			return err
		}
		return w.Gateway.Linked(tx, c, channel.Identity{
			Remote: phone[1:] + ":1@s.whatsapp.net", Person: message.Person{Phone: message.Address{Kind: message.Phone, Value: phone}, PushName: "Shop"},
		})
	})
	return c
}

// Run has the fleet work until the test ends, and waits until every linked device is connected.
func (w *World) Run() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Core.Fleet.Run(ctx, ctx) })
	w.t.Cleanup(func() { stop(); running.Wait() })
	all, err := w.Core.Channels.All(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range all {
		if d, err := w.Core.Channels.Device(ctx, c.ID); err != nil || d.Linked.IsZero() {
			continue
		}
		for up := false; !up; {
			if up, err = w.Core.Channels.Connected(ctx, c.ID); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // the fleet works in time of its own
		}
	}
}

// Newest is the message that the account has had last.
func (w *World) Newest(a account.Account) message.Message {
	w.t.Helper()
	page, err := w.Gateway.List(context.Background(), a.ID, gateway.Filter{Limit: 1})
	if err != nil || len(page.Messages) == 0 {
		w.t.Fatalf("there is no message (%v)", err)
	}
	return page.Messages[0]
}

// Connect has the devices be connected, or not.
func (w *World) Connect(c connection.Channel, up bool) {
	w.t.Helper()
	phase := connection.Down
	if up {
		phase = connection.Up
	}
	w.Write(func(tx *store.Tx) error {
		return w.Core.Channels.Report(tx, []connection.State{{Channel: c.ID, Node: "node", Phase: phase, Since: tx.Now()}}, nil, false)
	})
}
