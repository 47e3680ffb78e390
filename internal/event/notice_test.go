package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/store"
)

func TestNoticesAreNumberedWithTheirSubjects(t *testing.T) {
	t.Parallel()
	s, f := open(t), &follower{}
	log := event.New(s)
	log.FollowedBy(f)
	wallet, channel := int64(alice), s.NewID()
	write(t, s, func(tx *store.Tx) error {
		return log.Notice(tx,
			event.Notice{Account: alice, Subject: channel, Kind: event.ChannelDown, Data: event.Channel{Name: "acme", Reason: "refused"}},
			event.Notice{Account: alice, Subject: wallet, Kind: event.WalletLow, Data: event.Wallet{Balance: 5, Threshold: 7, Currency: "KES"}},
			event.Notice{Account: alice, Subject: channel, Kind: event.ChannelUp, Data: event.Channel{Name: "acme"}},
		)
	})
	write(t, s, func(tx *store.Tx) error {
		return log.Notice(tx, event.Notice{Account: alice, Subject: channel, Kind: event.ChannelDown, Data: event.Channel{Name: "acme", Reason: "gone"}})
	})
	for subject, want := range map[int64]string{wallet: "wallet.low 1", channel: "channel.down 1, channel.up 2, channel.down 3"} {
		events, err := log.Of(t.Context(), alice, subject)
		if err != nil {
			t.Fatal(err)
		}
		if got := story(events); got != want {
			t.Errorf("%d: %s, want %s", subject, got, want)
		}
	}
	if len(f.told) != 4 {
		t.Errorf("the follower was told of %d", len(f.told))
	}
}

func story(events []event.Event) string {
	told := make([]string, len(events))
	for i, e := range events {
		told[i] = string(e.Kind) + " " + string(rune('0'+e.Seq))
	}
	return strings.Join(told, ", ")
}

func TestANoticeTellsWhatItsKindSays(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	expires := event.Moment(time.Date(2027, 1, 31, 12, 0, 0, 0, time.FixedZone("", 3*3600)))
	for kind, c := range map[event.Kind]struct {
		facts event.Facts
		want  string
	}{
		event.WalletLow:       {event.Wallet{-5, 7, "KES"}, `{"balance_micros":-5,"threshold_micros":7,"currency":"KES"}`},
		event.ChannelDown:     {event.Channel{"c", "acme", true, "refused"}, `{"channel":"c","name":"acme","shared":true,"reason":"refused"}`},
		event.ChannelUp:       {event.Channel{ID: "c", Name: "acme"}, `{"channel":"c","name":"acme","shared":false,"reason":""}`},
		event.KeyExpiring:     {event.Key{"k", "shop", "td_live_...9f", expires, 7}, `{"key":"k","name":"shop","hint":"td_live_...9f","expires_at":"2027-01-31T09:00:00.000Z","days":7}`},
		event.WebhookDisabled: {event.Webhook{"w", "example.com", "gone"}, `{"webhook":"w","host":"example.com","reason":"gone"}`},
	} {
		subject := s.NewID()
		write(t, s, func(tx *store.Tx) error { return log.Notice(tx, event.Notice{alice, subject, kind, c.facts}) })
		e, err := log.One(t.Context(), alice, subject, 1)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := e.Data(); err != nil || string(data) != c.want {
			t.Errorf("%s tells %s, %v, want %s", kind, data, err, c.want)
		}
	}
	write(t, s, func(tx *store.Tx) error {
		if err := log.Notice(tx, event.Notice{alice, 1, event.ChannelUp, event.Wallet{}}); err == nil {
			t.Error("a channel.up tells of a wallet")
		}
		return nil
	})
	var back event.Moment
	if text, err := json.Marshal(expires); err != nil || json.Unmarshal(text, &back) != nil || !time.Time(back).Equal(time.Time(expires)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhatAnEventSaysOfItself(t *testing.T) {
	t.Parallel()
	out := event.Event{Kind: event.OptedOut, Change: event.Change{Address: "+254700000001", Word: "STOP"}}
	if data, err := out.Data(); err != nil || string(data) != `{"address":"+254700000001","word":"STOP"}` {
		t.Errorf("%s, %v", data, err)
	}
	if data, err := (event.Event{Kind: event.Unconfirmed}).Data(); err != nil || data != nil {
		t.Errorf("a message's event tells %s by itself, %v", data, err)
	}
}

// A channel is older than what happens to it.
func TestEventsOfAnOldSubjectAreKeptByTheirOwnAge(t *testing.T) {
	t.Parallel()
	s := open(t)
	log := event.New(s)
	channel := s.NewID()
	down := func() {
		write(t, s, func(tx *store.Tx) error {
			return log.Notice(tx, event.Notice{alice, channel, event.ChannelDown, event.Channel{Name: "acme"}})
		})
	}
	down()
	s.Shift(48 * time.Hour)
	down()
	for more := true; more; {
		write(t, s, func(tx *store.Tx) (err error) {
			more, err = log.DropOld(tx, tx.Now().Add(-24*time.Hour))
			return err
		})
	}
	events, err := log.Of(t.Context(), alice, channel)
	if err != nil || story(events) != "channel.down 2" {
		t.Errorf("%s, %v", story(events), err)
	}
	for since, want := range map[time.Duration]bool{24 * time.Hour: true, -time.Hour: false} {
		if got, err := log.Others(t.Context(), channel, channel+1, s.Now().Add(-since)); err != nil || got != want {
			t.Errorf("since %s: %v, %v", since, got, err)
		}
	}
}
