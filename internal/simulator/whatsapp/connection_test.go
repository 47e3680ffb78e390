package whatsapp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/keys"

	"tidings.dev/internal/simulator/whatsapp"
)

func TestPairByCode(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c := newClient(t, s)
	must(t, c.Connect())
	await[*events.QR](c, nil)
	code, err := c.PairPhone(t.Context(), "+"+business, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	must(t, err)
	if _, err := s.Phone(customer).EnterCode(code); !errors.Is(err, whatsapp.ErrNoSuchCode) {
		t.Errorf("another phone's code: %v", err)
	}
	d, err := owner.EnterCode(code)
	must(t, err)
	await[*events.PairSuccess](c, nil)
	await[*events.Connected](c, nil)
	must(t, d.AwaitConnected(soon(t), true))
	c.text(s.Phone(customer).JID(), "By code")
	equal(t, "text", next(t, s.Phone(customer)).Text(), "By code")
}

func TestWrongPairingCodeLinksNobody(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c := newClient(t, s)
	must(t, c.Connect())
	await[*events.QR](c, nil)
	_, err := c.PairPhone(t.Context(), business, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	must(t, err)
	if _, err := s.Phone(business).EnterCode("ABCD-EFGH"); !errors.Is(err, whatsapp.ErrNoSuchCode) {
		t.Errorf("a wrong code: %v", err)
	}
	for _, qr := range []string{"", "2@a,b,c", "https://wa.me/settings/linked_devices#2@x,AAAA,BBBB,CCCC,1"} {
		if _, err := s.Phone(business).Scan(qr); err == nil {
			t.Errorf("the QR code %q is taken", qr)
		}
	}
	equal(t, "devices", len(s.Phone(business).Devices()), 0)
}

// TestQRCodesExpire looks at 160 seconds of codes in no time.
func TestQRCodesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := whatsapp.New(whatsapp.Config{Memory: true})
		must(t, s.Start())
		s.Trust()
		c := whatsmeow.NewClient(&store.Device{
			NoiseKey: keys.NewKeyPair(), IdentityKey: keys.NewKeyPair(), SignedPreKey: keys.NewKeyPair().CreateSignedPreKey(1), RegistrationID: 1, AdvSecretKey: make([]byte, 32),
		}, nil)
		http := s.Client()
		c.SetPreLoginHTTPClient(http)
		qr, err := c.GetQRChannel(t.Context())
		must(t, err)
		begin := time.Now()
		must(t, c.Connect())
		var shown []string
		for item := range qr {
			if item.Event == whatsmeow.QRChannelEventCode {
				shown = append(shown, item.Code)
				continue
			}
			equal(t, "the end", item.Event, "timeout")
		}
		equal(t, "codes", len(shown), 6)
		equal(t, "life", time.Since(begin), 160*time.Second)
		time.Sleep(time.Second)
		if _, err := s.Phone(business).Scan(shown[5]); !errors.Is(err, whatsapp.ErrNoSuchCode) {
			t.Errorf("an expired code: %v", err)
		}
		http.CloseIdleConnections()
		must(t, s.Close())
	})
}

func TestRestartNeedsNoScan(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	c = c.restart()
	must(t, c.Connect())
	await[*events.Connected](c, nil)
	c.text(s.Phone(customer).JID(), "Again")
	equal(t, "text", next(t, s.Phone(customer)).Text(), "Again")
}

// TestOfflineQueue sends while the client is away: it gets all of it, in order, and says that it has it.
func TestOfflineQueue(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	must(t, d.AwaitSettled(soon(t)))
	c = c.restart()
	var ids []string
	for range 3 {
		id, err := p.Send(business, whatsapp.Text("Missed"))
		must(t, err)
		ids = append(ids, id)
	}
	must(t, c.Connect())
	equal(t, "preview", await[*events.OfflineSyncPreview](c, nil).Messages, 3)
	for _, id := range ids {
		equal(t, "the next message", await[*events.Message](c, func(e *events.Message) bool { return e.Message.GetConversation() != "" }).Info.ID, id)
	}
	equal(t, "completed", await[*events.OfflineSyncCompleted](c, nil).Count >= 3, true)
	must(t, d.AwaitSettled(soon(t)))
}

// TestUnacknowledgedComesAgain refuses a message in the handler: it comes again after the next log-in.
func TestUnacknowledgedComesAgain(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	c = c.restart()
	c.SynchronousAck, c.EnableDecryptedEventBuffer = true, true
	refused := make(chan string, 1)
	c.RemoveEventHandlers()
	c.AddEventHandlerWithSuccessStatus(func(e any) bool {
		if m, ok := e.(*events.Message); ok && m.Message.GetConversation() != "" {
			refused <- m.Info.ID
			return false
		}
		return true
	})
	must(t, c.Connect())
	must(t, d.AwaitConnected(soon(t), true))
	id, err := s.Phone(customer).Send(business, whatsapp.Text("Keep me"))
	must(t, err)
	equal(t, "refused", <-refused, id)
	c = c.restart()
	c.SynchronousAck, c.EnableDecryptedEventBuffer = true, true
	must(t, c.Connect())
	equal(t, "text", c.heard(id).Message.GetConversation(), "Keep me")
	must(t, d.AwaitSettled(soon(t)))
}

func TestDropReconnects(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	for _, drop := range []func(*whatsapp.Device){s.Drop, s.CutMidFrame} {
		drop(d)
		await[*events.Disconnected](c, nil)
		await[*events.Connected](c, nil)
		c.text(s.Phone(customer).JID(), "Back")
		equal(t, "text", next(t, s.Phone(customer)).Text(), "Back")
	}
}

func TestStreamEnds(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c, d := link(t, s, owner)
	s.Replace(d)
	await[*events.StreamReplaced](c, nil)
	must(t, d.AwaitConnected(soon(t), false))

	c = c.restart()
	must(t, c.Connect())
	await[*events.Connected](c, nil)
	s.Restart(d)
	await[*events.Disconnected](c, nil)
	await[*events.Connected](c, nil)

	other := connect(t, s, c.container, c.Store) // the same device elsewhere
	must(t, other.Connect())
	await[*events.StreamReplaced](c, nil)
	await[*events.Connected](other, nil)

	owner.Unlink(d)
	equal(t, "on connect", await[*events.LoggedOut](other, nil).OnConnect, false)
	equal(t, "devices", len(owner.Devices()), 0)
}

func TestUnlinkedWhileAway(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c, d := link(t, s, owner)
	c = c.restart()
	owner.Unlink(d)
	must(t, c.Connect())
	equal(t, "on connect", await[*events.LoggedOut](c, nil).OnConnect, true)
}

func TestLogOut(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	must(t, c.Logout(t.Context()))
	equal(t, "devices", len(s.Phone(business).Devices()), 0)
}

func TestBan(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	s.Ban(d, time.Hour)
	if left := await[*events.TemporaryBan](c, nil).Expire; left < 59*time.Minute || left > time.Hour+time.Second {
		t.Errorf("the ban ends in %v", left)
	}
	s.Ban(d, 0)
	c = c.restart()
	must(t, c.Connect())
	await[*events.Connected](c, nil)
}

func TestOutdated(t *testing.T) {
	version := store.GetWAVersion()
	t.Cleanup(func() { store.SetWAVersion(version) })
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	s.Outdate()
	s.Drop(d)
	await[*events.ClientOutdated](c, nil)
	newest, err := whatsmeow.GetLatestVersion(t.Context(), s.Client())
	must(t, err)
	equal(t, "revision", newest[2], s.Revision())
	store.SetWAVersion(*newest)
	c.Disconnect()
	must(t, c.Connect())
	await[*events.Connected](c, nil)
}

func TestLoginIsRefusedForAWhile(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	s.Refuse(whatsapp.ReasonUnavailable)
	s.Drop(d)
	await[*events.Disconnected](c, nil)
	await[*events.Connected](c, nil) // by itself
}

func TestAdoptAfterARestart(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	c.text(p.JID(), "Before")
	c.Disconnect()
	again := start(t, whatsapp.Config{Adopt: true})
	c.server = again
	c = c.restart()
	must(t, c.Connect())
	await[*events.Connected](c, nil)
	p = again.Phone(customer)
	equal(t, "LID", p.LID(), s.Phone(customer).LID())
	c.text(p.JID(), "After") // in a session that only the client knows
	equal(t, "text", next(t, p).Text(), "After")
	id, err := p.Send(business, whatsapp.Text("Hello again"))
	must(t, err)
	equal(t, "text", c.heard(id).Message.GetConversation(), "Hello again")
}

func TestWithheldAndRepeated(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, d := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	d.WithholdAcks(1)
	_, err := c.SendMessage(t.Context(), p.JID(), whatsapp.Text("No answer"), whatsmeow.SendRequestExtra{ID: "A1", Timeout: 50 * time.Millisecond})
	if !errors.Is(err, whatsmeow.ErrMessageTimedOut) {
		t.Errorf("a withheld answer: %v", err)
	}
	equal(t, "text", next(t, p).Text(), "No answer")
	_, err = c.SendMessage(t.Context(), p.JID(), whatsapp.Text("No answer"), whatsmeow.SendRequestExtra{ID: "A1"})
	must(t, err)
	must(t, p.Await(soon(t), func() bool { return p.Received()[0].Repeats == 1 }))

	d.RefuseMessages(463)
	_, err = c.SendMessage(t.Context(), p.JID(), whatsapp.Text("Refused"))
	if !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		t.Errorf("a refused message: %v", err)
	}
	d.RefuseMessages(0)

	d.DelayAcks(30 * time.Millisecond)
	begin := time.Now()
	c.text(p.JID(), "Late")
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("the answer took %v", took)
	}
	d.DelayAcks(0)

	d.Repeat(1)
	id, err := p.Send(business, whatsapp.Text("Twice"))
	must(t, err)
	c.heard(id)
	last, err := p.Send(business, whatsapp.Text("Once"))
	must(t, err)
	equal(t, "the next message", await(c, func(e *events.Message) bool { return e.Message.GetConversation() != "" }).Info.ID, last)
}

func TestTimelock(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	c, _ := link(t, s, owner)
	owner.Timelock(time.Hour)
	e := await[*events.NotifyAccountReachoutTimelock](c, nil)
	equal(t, "active", e.IsActive, true)
	if left := time.Until(e.TimeEnforcementEnds.Time); left < 59*time.Minute {
		t.Errorf("it ends in %v", left)
	}
	if _, err := c.SendMessage(t.Context(), s.Phone(customer).JID(), whatsapp.Text("x")); !errors.Is(err, whatsmeow.ErrServerReturnedError) {
		t.Errorf("a message in the timelock: %v", err)
	}
	_, err := s.Phone(customer).Send(business, whatsapp.Text("You may"))
	must(t, err)
	c.text(s.Phone(customer).JID(), "To somebody who wrote first")
	owner.Timelock(0)
	equal(t, "active", await[*events.NotifyAccountReachoutTimelock](c, nil).IsActive, false)
	c.text(s.Phone("254722000003").JID(), "Free")
}

func TestClosedServerRefuses(t *testing.T) {
	s := whatsapp.New(whatsapp.Config{})
	must(t, s.Start())
	client := whatsapp.ClientOf(s.Addr())
	must(t, s.Close())
	if _, err := whatsmeow.GetLatestVersion(context.Background(), client); err == nil {
		t.Error("a closed simulation answers")
	}
}
