package fleet

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidings.dev/internal/audit"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

var somebody = channel.Identity{Remote: "49170:1@s.whatsapp.net", Person: message.Person{Phone: message.Address{Kind: message.Phone, Value: "+491701234567"}}}

// pairs asks for the channel to be linked, and waits for what comes of it.
func (y *yard) pairs(c connection.Channel) connection.Pairing {
	y.t.Helper()
	if _, err := y.Pair(y.t.Context(), audit.System, c, ""); err != nil {
		y.t.Fatal(err)
	}
	return y.paired(c)
}

func (y *yard) paired(c connection.Channel) (p connection.Pairing) {
	y.t.Helper()
	for !p.Over() {
		var err error
		if p, err = y.AwaitPairing(y.t.Context(), c, p.Step); err != nil {
			y.t.Fatal(err)
		}
	}
	return p
}

func (y *yard) device(c connection.Channel) connection.Device {
	y.t.Helper()
	d, err := y.gw.Connections.Device(y.t.Context(), c.ID)
	if err != nil {
		y.t.Fatal(err)
	}
	return d
}

func TestALinkedChannelOpensAtOnce(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{Pairing: channeltest.Scanned(somebody)}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	y.until("it is not linked", func() bool {
		s := y.state(c)
		return s.Phase == connection.Unlinked && s.Code == "not_linked" && s.Reason != ""
	})
	if n.Opened() != 0 {
		t.Error("a channel that nobody linked has a session")
	}
	began := time.Now()
	if p := y.pairs(c); p.State != connection.PairingLinked || p.Code.QR != "" {
		t.Fatalf("%+v", p)
	}
	y.until("the session", func() bool { return y.state(c).Phase == connection.Up })
	quick(t, "it was linked and opened", time.Since(began), time.Second)
	if d := y.device(c); d.Remote != somebody.Remote || d.Person.Phone != somebody.Person.Phone || d.Linked.IsZero() {
		t.Errorf("%+v", d)
	}
	y.until("a message", func() bool { return y.status(y.send(c, 1)[0]) >= message.Queued })
	if _, err := y.Pair(t.Context(), audit.System, c, ""); !fault.Is(err, fault.AlreadyThere) {
		t.Errorf("linked twice: %v", err)
	}
}

func TestCodesAreReadWhileTheyAreValid(t *testing.T) {
	t.Parallel()
	next, scan := make(chan channel.Code), make(chan struct{})
	n := &channeltest.Scripted{}
	n.Pairing = func(ctx context.Context, _ channel.Env, phone string, show func(channel.Code)) (channel.Identity, error) {
		for {
			select {
			case c := <-next:
				c.Typed = phone
				show(c)
			case <-scan:
				return somebody, nil
			case <-ctx.Done():
				return channel.Identity{}, ctx.Err()
			}
		}
	}
	y := newYard(t, n)
	c := y.channel(connection.Channel{Driver: "scripted"})
	first, err := y.Pair(t.Context(), audit.System, c, "+491701234567")
	if err != nil || first.Over() {
		t.Fatalf("%+v %v", first, err)
	}
	again, err := y.Pair(t.Context(), audit.System, c, "")
	if err != nil || again.ID != first.ID || again.Phone != first.Phone {
		t.Errorf("asked again while one runs: %+v, %v; want the one that runs", again, err)
	}
	step := 0
	for _, qr := range []string{"2@secret-one", "2@secret-two"} {
		next <- channel.Code{QR: qr, Until: time.Now().Add(time.Minute)}
		y.until("the code "+qr, func() bool {
			p, err := y.AwaitPairing(t.Context(), c, step)
			step = p.Step
			return err == nil && p.Code.QR == qr && p.Code.Typed == "+491701234567"
		})
	}
	if found := y.holding("2@secret-one"); len(found) > 0 {
		t.Errorf("a code can be read in %v", found)
	}
	close(scan)
	if p := y.paired(c); p.State != connection.PairingLinked {
		t.Errorf("%+v", p)
	}
}

func TestAPairingEndsInAClearState(t *testing.T) {
	t.Parallel()
	waits := func(ctx context.Context, _ channel.Env, _ string, show func(channel.Code)) (channel.Identity, error) {
		show(channel.Code{QR: "x", Until: time.Now().Add(time.Minute)})
		<-ctx.Done()
		return channel.Identity{}, ctx.Err()
	}
	broken := func(context.Context, channel.Env, string, func(channel.Code)) (channel.Identity, error) {
		panic("planted")
	}
	for name, c := range map[string]struct {
		pairing channeltest.Pairing
		during  func(*yard, connection.Channel)
		code    string
	}{
		"codes run out": {pairing: channeltest.Unscanned(3), code: "codes_expired"},
		"panic":         {pairing: broken, code: "failed"},
		"given up": {pairing: waits, code: "cancelled", during: func(y *yard, c connection.Channel) {
			if err := y.Unlink(y.t.Context(), audit.System, c); err != nil {
				y.t.Error(err)
			}
		}},
		"disabled": {pairing: waits, code: "interrupted", during: func(y *yard, c connection.Channel) {
			c.Enabled = false
			y.update(c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &channeltest.Scripted{Pairing: c.pairing}
			y := newYard(t, n)
			ch := y.channel(connection.Channel{Driver: "scripted"})
			if _, err := y.Pair(t.Context(), audit.System, ch, ""); err != nil {
				t.Fatal(err)
			}
			if c.during != nil {
				y.until("the code", func() bool { p, _, _ := y.gw.Connections.Pairing(t.Context(), ch.ID); return p.Code.QR != "" })
				c.during(y, ch)
			}
			p := y.paired(ch)
			if p.State != connection.PairingFailed || p.Failure != c.code || p.Reason == "" || p.Code.QR != "" {
				t.Errorf("%+v, want %s", p, c.code)
			}
			if c.during == nil {
				y.until("the state says so", func() bool { s := y.state(ch); return s.Phase == connection.Unlinked && s.Code == c.code })
				n.Pairing = channeltest.Scanned(somebody)
				if again, err := y.Pair(t.Context(), audit.System, ch, ""); err != nil || again.ID == p.ID {
					t.Errorf("it cannot be asked again: %+v %v", again, err)
				}
			}
		})
	}
}

// link makes a channel that a phone has linked, with its session.
func (y *yard) link(c connection.Channel) connection.Channel {
	y.t.Helper()
	c = y.channel(c)
	y.pairs(c)
	y.until("the session", func() bool { return y.state(c).Phase == connection.Up })
	return c
}

func TestALoggedOutDeviceIsForgotten(t *testing.T) {
	t.Parallel()
	var told atomic.Int32
	n := &channeltest.Scripted{Pairing: channeltest.Scanned(somebody)}
	n.Abilities = &channeltest.Abilities{Unlink: func(context.Context) error { told.Add(1); return nil }}
	y := newYard(t, n)
	c := y.link(connection.Channel{Driver: "scripted"})
	if err := y.Unlink(t.Context(), audit.System, c); err != nil {
		t.Fatal(err)
	}
	if told.Load() != 1 || !slices.Equal(n.Forgotten(), []message.ChannelID{c.ID}) {
		t.Errorf("the network was told %d times, and %v forgotten", told.Load(), n.Forgotten())
	}
	y.until("it says so", func() bool { return y.state(c).Phase == connection.Unlinked && y.state(c).Code == "logged_out" })
	if err := y.Unlink(t.Context(), audit.System, c); !fault.Is(err, fault.NotLinked) {
		t.Errorf("logged out twice: %v", err)
	}
	y.pairs(c)
	y.until("the session", func() bool { return y.state(c).Phase == connection.Up })
	removed := channel.Notice{Unlinked: &channel.Unlinked{Code: "removed", Reason: "The phone removed the device."}}
	y.until("its session tells that it was removed", func() bool { return n.Notice(t.Context(), removed) == nil })
	y.until("its session ends", func() bool { return y.state(c).Code == "removed" && len(n.Forgotten()) == 2 })
}

func TestADisabledDeviceIsDeletedWhole(t *testing.T) {
	t.Parallel()
	n := &channeltest.Scripted{Pairing: channeltest.Scanned(somebody)}
	y := newYard(t, n)
	c := y.link(connection.Channel{Driver: "scripted"})
	c.Enabled = false
	y.update(c)
	y.until("no session", func() bool { return len(y.States()) == 0 })
	if err := y.Delete(t.Context(), audit.System, c); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := y.gw.Connections.Get(t.Context(), c.ID); ok || len(n.Forgotten()) != 1 {
		t.Errorf("it is there: %t; forgotten %v", ok, n.Forgotten())
	}
}

func TestASessionIsAsked(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	n := &channeltest.Scripted{Name: "able", Pairing: channeltest.Scanned(somebody)}
	n.Abilities = able(&asked)
	dumb := &channeltest.Scripted{Name: "dumb"}
	y := newYard(t, n, dumb)
	c, d := y.link(connection.Channel{Driver: "able"}), y.channel(connection.Channel{Driver: "dumb"})
	y.until("the other session", func() bool { return y.state(d).Phase == connection.Up })
	y.asksEverything(c)
	before := asked.Load()
	y.asksEverything(c)
	if n := asked.Load() - before; n != 0 {
		t.Errorf("numbers that are known were asked for %d times", n)
	}
	if _, err := y.Check(t.Context(), c, numbers(100, checksPerMinute)); !fault.Is(err, fault.RateLimited) {
		t.Errorf("too many numbers: %v", err)
	}
	if _, err := y.Groups(t.Context(), d); !fault.Is(err, fault.NotSupported) {
		t.Errorf("a session that cannot: %v", err)
	}
	if _, err := y.Group(t.Context(), c, message.Address{Kind: message.Group, Value: "none"}); !fault.Is(err, fault.NetworkRefused) {
		t.Errorf("a group that is not there: %v", err)
	}
	opened := n.Opened()
	if err := y.Reconnect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	y.until("another session", func() bool { return n.Opened() == opened+1 && y.state(c).Phase == connection.Up })
	if _, err := y.People(t.Context(), c); err == nil || !strings.Contains(err.Error(), "failed") { // the script has none, and panics
		t.Errorf("a panic: %v", err)
	}
	y.until("its session only", func() bool { return n.Opened() == opened+2 && y.state(c).Phase == connection.Up })
	if dumb.Opened() != 1 {
		t.Errorf("the other was opened %d times", dumb.Opened())
	}
	n.OpenErr = func() error { return errors.New("planted") }
	y.drop(n, errors.New("planted"))
	y.until("no session", func() bool { return y.state(c).Phase == connection.Down })
	if _, err := y.Groups(t.Context(), c); !fault.Is(err, fault.NotConnected) {
		t.Errorf("no session: %v", err)
	}
	if f := y.trySend(c); f != nil {
		t.Errorf("a linked device without a session does not take messages: %v", f)
	}
}

func numbers(from, n int) (list []message.Address) {
	for i := range n {
		list = append(list, message.Address{Kind: message.Phone, Value: "+2547" + string(rune('0'+(from+i)/100%10)) + string(rune('0'+(from+i)/10%10)) + string(rune('0'+(from+i)%10))})
	}
	return list
}

// able is a session of which a group is asked, numbers, and who reads.
func able(asked *atomic.Int32) *channeltest.Abilities {
	return &channeltest.Abilities{
		Check: func(_ context.Context, phones []message.Address) ([]channel.Known, error) {
			asked.Add(int32(len(phones)))
			known := make([]channel.Known, len(phones))
			for i, p := range phones {
				known[i] = channel.Known{Phone: p, There: p.Value[len(p.Value)-1] != '3', Person: message.Person{Phone: p}}
			}
			return known, nil
		},
		Groups: func(context.Context) ([]channel.Group, error) {
			return []channel.Group{{Address: message.Address{Kind: message.Group, Value: "g"}, Name: "Team", Ephemeral: time.Hour}}, nil
		},
		Typing: func(_ context.Context, to message.Address, state channel.Typing) error {
			if to.Value != "+254700" || state != channel.TypingVoice {
				return errors.New("not what was asked")
			}
			return nil
		},
		MarkRead: func(_ context.Context, from, group message.Address, ids []string, at time.Time) error {
			if from.Value != "+254700" || group.Kind != "" || !slices.Equal(ids, []string{"a", "b"}) || at.IsZero() {
				return errors.New("not what was asked")
			}
			return nil
		},
		Picture: func(_ context.Context, of message.Address) (string, error) { return "https://pic/" + of.Value, nil },
	}
}

// asksEverything asks the session that able scripts, and looks at its answers.
func (y *yard) asksEverything(c connection.Channel) {
	y.t.Helper()
	ctx := y.t.Context()
	phones := []message.Address{{Kind: message.Phone, Value: "+2541"}, {Kind: message.Phone, Value: "+2543"}, {Kind: message.Phone, Value: "+2541"}}
	known, err := y.Check(ctx, c, phones)
	if err != nil || len(known) != 3 || !known[0].There || known[1].There || known[2] != known[0] || known[1].Phone != phones[1] {
		y.t.Errorf("check: %+v %v", known, err)
	}
	groups, err := y.Groups(ctx, c)
	if err != nil || len(groups) != 1 || groups[0].Name != "Team" || groups[0].Ephemeral != time.Hour {
		y.t.Errorf("groups: %+v %v", groups, err)
	}
	to := message.Address{Kind: message.Phone, Value: "+254700"}
	if url, err := y.Picture(ctx, c, to); err != nil || url != "https://pic/+254700" {
		y.t.Errorf("picture: %s %v", url, err)
	}
	if err := errors.Join(y.Typing(ctx, c, to, channel.TypingVoice), y.MarkRead(ctx, c, to, message.Address{}, []string{"a", "b"})); err != nil {
		y.t.Error(err)
	}
}

func (y *yard) trySend(c connection.Channel) *fault.Fault {
	y.t.Helper()
	reply, err := y.gw.Submit(y.t.Context(), gateway.Caller{Account: y.account}, gateway.Request{
		Drafts: []message.Draft{{Channel: c.ID, To: "+254701234567", Content: message.Text("x")}},
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return reply.Results[0].Fault
}

func (y *yard) holding(text string) []string {
	y.write(func(*store.Tx) error { return nil })
	return storetest.Holding(y.t, y.store, text)
}

// Five hundred devices that a server starts with are connected soon, and not all at once.
func TestManyDevicesAreOpenedInTurn(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as it says")
	}
	const many = 3 * opensPerSecond
	n := &channeltest.Scripted{Pairing: channeltest.Scanned(somebody)}
	y := newYard(t, n)
	y.write(func(tx *store.Tx) error {
		for i := range many {
			c := connection.Channel{Account: y.account.ID, Name: fmt.Sprint(i), Driver: "scripted", Kind: message.SMS, Enabled: true, Shards: 1}
			c, err := y.gw.Connections.Create(tx, audit.System, c)
			if err != nil {
				return err
			}
			if err := y.gw.Connections.Link(tx, c.ID, somebody); err != nil {
				return err
			}
		}
		return nil
	})
	began := time.Now()
	y.until("the first second", func() bool { return n.Opened() > 0 })
	time.Sleep(time.Second / 2)
	if opened := n.Opened(); opened > opensPerSecond {
		t.Errorf("%d were opened at once", opened)
	}
	y.until("all sessions", func() bool {
		up := 0
		for _, s := range y.States() {
			if s.Phase == connection.Up {
				up++
			}
		}
		return up == many
	})
	took := time.Since(began)
	t.Logf("%d sessions after %s, %d goroutines", many, took.Round(time.Millisecond), runtime.NumGoroutine())
	quick(t, "all were opened", took, 5*time.Second)
}
