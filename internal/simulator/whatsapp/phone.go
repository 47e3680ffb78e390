package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// Addressing is how a phone's messages name it. The service moves from numbers to LIDs, and both are met.
type Addressing int

// The addressings.
const (
	ByLID     Addressing = iota // the LID, with the number beside it: as the service does for most today
	ByNumber                    // the number, with the LID beside it: as it did before
	ByLIDOnly                   // the LID alone: somebody who hides the number
)

// Phone is somebody on WhatsApp: an account with a number, a LID, a name, and the telephone it is on. Other devices of the same
// account are either real clients, linked by Scan or EnterCode, or simulated ones, added by AddDevice.
type Phone struct {
	server *Server
	lid    types.JID

	signal   sync.Mutex // guards what follows, and is taken before the server's lock, never after
	handsets []*handset // the first is the telephone
	outbox   map[string]*sent
	order    []string // of the outbox
	state    *appState

	// The rest is guarded by the server's lock.
	number     string
	name       string
	about      string
	business   string
	addressing Addressing
	automatic  bool // nobody has it in hand: its number's ending decides what it does
	reads      bool // whatever comes, at once
	silent     bool // tells nobody what it got or read
	offline    bool
	missed     []func() // what came while it was offline
	failing    int      // of the next messages cannot be decrypted
	serial     uint16   // of the last device
	devices    map[uint16]*Device
	unlinked   map[uint16]bool // devices that may not come back
	met        map[*Phone]bool // who has written to it
	locked     time.Time       // until when it may not write to others
	blocked    map[*Phone]bool
	watchers   map[*Device]bool // of its presence
	known      map[*Device]bool // who has looked up its devices
	stale      map[string]bool  // groups whose others need a new key
	names      map[*Phone]string
	past       []Conversation
	picture    string // its path on the media host
	received   []Message
	copies     []Message
	taken      int // of received, by Next
	receipts   []Receipt
	typing     []Typing
	calls      []*Call
	changed    chan struct{} // closed at each change
}

// Message is a message as a phone has decrypted it.
type Message struct {
	ID        string
	From      string // the sender's number
	Device    int    // of the sender; 0 is the telephone
	To        string // the recipient's number; in a group: nothing
	Group     string // the group's JID, or nothing
	Time      time.Time
	Kind      string // as the stanza calls it: text, media, poll, reaction
	MediaType string
	Edit      string // as the stanza calls it: 1 an edit, 7 deleted by its sender, 8 by an admin
	Retries   int    // how often it was asked for again before it could be read
	Repeats   int    // how often the same id came again
	Content   *waE2E.Message
}

// Text is what a person reads: the text, or the caption of a media message.
func (m Message) Text() string { return textOf(m.Content) }

// Receipt is what somebody has told a phone about messages it sent.
type Receipt struct {
	ID     string
	From   string // the number
	Device int
	Group  string
	Type   string // "" or "inactive": delivered; else "read", "played" and so on
	Time   time.Time
}

// Typing is a chat state that a phone has seen.
type Typing struct {
	From  string
	State string // composing or paused
	Media string // audio, or nothing
}

// Phone takes the phone with a number into hand: it says that a message is delivered, and does else only what it is told. The
// number is international, with or without its plus.
func (s *Server) Phone(number string) *Phone {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(number)
	p.automatic, p.reads = false, false
	return p
}

// Stranger is the phone with a number that nobody has in hand: it does what its number's ending says, else it reads whatever comes.
func (s *Server) Stranger(number string) *Phone {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.person(number)
}

// person finds a number's phone or makes it. The caller holds the lock.
func (s *Server) person(number string) *Phone {
	number = strings.TrimPrefix(number, "+")
	if p := s.phones[number]; p != nil {
		return p
	}
	p := &Phone{
		server: s, number: number, name: "Phone " + number, automatic: true, reads: true, outbox: map[string]*sent{}, devices: map[uint16]*Device{},
		unlinked: map[uint16]bool{}, met: map[*Phone]bool{}, blocked: map[*Phone]bool{}, watchers: map[*Device]bool{}, known: map[*Device]bool{}, stale: map[string]bool{}, names: map[*Phone]string{}, changed: make(chan struct{}),
	}
	delete(s.gone, number)
	p.lid = types.NewJID(s.freeLID(number), types.HiddenUserServer)
	p.handsets = []*handset{newHandset(p, 0)}
	s.phones[number], s.lids[p.lid.User] = p, p
	return p
}

// freeLID makes a LID from a number, so that a simulation that starts again gives out the same.
func (s *Server) freeLID(number string) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(number))
	lid := 100_000_000_000_000 + sum.Sum64()%100_000_000_000_000
	for s.lids[strconv.FormatUint(lid, 10)] != nil {
		lid++
	}
	return strconv.FormatUint(lid, 10)
}

// find is who a JID names; anybody plausible exists. The caller holds the lock.
func (s *Server) find(j types.JID) *Phone {
	switch j.Server {
	case types.HiddenUserServer:
		return s.lids[j.User]
	case types.DefaultUserServer, types.LegacyUserServer:
		number := strings.TrimPrefix(j.User, "+")
		if p := s.phones[number]; p != nil {
			return p
		}
		if !s.gone[number] && plausible(number) {
			return s.person(number)
		}
	}
	return nil
}

// plausible tells whether a number may be somebody's who is on WhatsApp.
func plausible(number string) bool {
	digits := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' }) < 0
	return digits && len(number) >= 7 && len(number) <= 15 && number[0] != '0' && ending(number) != notOnWhatsApp
}

// Number is its number, without a plus.
func (p *Phone) Number() string {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.number
}

// JID is how WhatsApp names it by its number.
func (p *Phone) JID() types.JID { return types.NewJID(p.Number(), types.DefaultUserServer) }

// LID is how WhatsApp names it without its number.
func (p *Phone) LID() types.JID { return p.lid }

// Rename gives it another push name, and tells its own devices.
func (p *Phone) Rename(name string) {
	p.set(func() { p.name = name })
	p.pushName(name)
}

// SetBusiness makes it a business with a verified name.
func (p *Phone) SetBusiness(name string) { p.set(func() { p.business = name }) }

// SetAbout writes its status text.
func (p *Phone) SetAbout(about string) { p.set(func() { p.about = about }) }

// Address chooses how its messages name it.
func (p *Phone) Address(by Addressing) { p.set(func() { p.addressing = by }) }

// AutoRead lets it read whatever comes, at once, or not.
func (p *Phone) AutoRead(reads bool) { p.set(func() { p.reads = reads }) }

// Mute keeps it from telling anybody what it got or read, or lets it tell again.
func (p *Phone) Mute(silent bool) { p.set(func() { p.silent = silent }) }

// FailDecrypt lets it fail to decrypt the next messages, so that it asks for them again.
func (p *Phone) FailDecrypt(messages int) { p.set(func() { p.failing = messages }) }

// Offline takes it off the network: what is sent to it waits.
func (p *Phone) Offline() { p.set(func() { p.offline = true }) }

// Online brings it back, and gives it what it has missed.
func (p *Phone) Online() {
	for {
		p.server.mu.Lock()
		missed := p.missed
		p.missed = nil
		p.offline = len(missed) > 0 // until all is caught up, so that nothing new overtakes
		p.server.mu.Unlock()
		if len(missed) == 0 {
			return
		}
		for _, do := range missed {
			do()
		}
	}
}

// Block keeps another number's messages and calls from reaching it; the other is not told.
func (p *Phone) Block(number string) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.blocked[p.server.person(number)] = true
}

// Unblock lets them through again.
func (p *Phone) Unblock(number string) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	delete(p.blocked, p.server.person(number))
}

// ChangeNumber moves the account to another number. Its LID stays, and nobody is on WhatsApp with the old one.
func (p *Phone) ChangeNumber(to string) error {
	to = strings.TrimPrefix(to, "+")
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phones[to] != nil {
		return fmt.Errorf("%s is somebody else's", to)
	}
	old := p.number
	delete(s.phones, old)
	s.gone[old] = true
	s.phones[to], p.number = p, to
	for d := range p.known {
		d.enqueue(node{Tag: "notification", Attrs: attrs{
			"type": "contacts", "from": types.ServerJID, "id": s.stanzaID(), "t": stamp(time.Now()),
		}, Content: []node{{Tag: "modify", Attrs: attrs{
			"old": types.NewJID(old, types.DefaultUserServer), "new": p.numbered(), "old_lid": p.lid, "new_lid": p.lid,
		}}}})
	}
	return nil
}

// Received is what it has decrypted of what others sent it.
func (p *Phone) Received() []Message {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return slices.Clone(p.received)
}

// Copies is what it has decrypted of what its own linked devices sent to others.
func (p *Phone) Copies() []Message {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return slices.Clone(p.copies)
}

// Receipts is what it was told about the messages it sent.
func (p *Phone) Receipts() []Receipt {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return slices.Clone(p.receipts)
}

// Typings is the chat states it has seen.
func (p *Phone) Typings() []Typing {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return slices.Clone(p.typing)
}

// Next waits for the next message that Next has not given yet.
func (p *Phone) Next(ctx context.Context) (m Message, err error) {
	err = p.wait(ctx, func() bool {
		if p.taken >= len(p.received) {
			return false
		}
		m = p.received[p.taken]
		p.taken++
		return true
	})
	return m, err
}

// AwaitReceipt waits until somebody has told it this about one of its messages; "delivered" stands for both kinds of that.
func (p *Phone) AwaitReceipt(ctx context.Context, id, kind string) (r Receipt, err error) {
	err = p.wait(ctx, func() bool {
		i := slices.IndexFunc(p.receipts, func(r Receipt) bool {
			return r.ID == id && (r.Type == kind || kind == "delivered" && (r.Type == "" || r.Type == "inactive"))
		})
		if i < 0 {
			return false
		}
		r = p.receipts[i]
		return true
	})
	return r, err
}

// Await waits until something holds, which is looked at after each change of what the phone has seen.
func (p *Phone) Await(ctx context.Context, holds func() bool) error {
	for {
		p.server.mu.Lock()
		changed := p.changed
		p.server.mu.Unlock()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for phone %s: %w", p.Number(), ctx.Err())
		}
	}
}

// wait is Await for a condition that needs the lock held.
func (p *Phone) wait(ctx context.Context, holds func() bool) error {
	return p.Await(ctx, func() bool {
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		return holds()
	})
}

// set changes something under the lock, and tells who waits.
func (p *Phone) set(change func()) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	change()
	p.tell()
}

// tell wakes who waits. The caller holds the lock.
func (p *Phone) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// catch does something with the phone when it is online. What comes while it is not waits in order.
func (p *Phone) catch(do func()) {
	p.server.mu.Lock()
	if p.offline {
		p.missed = append(p.missed, do)
		p.server.mu.Unlock()
		return
	}
	p.server.mu.Unlock()
	do()
}

// Devices is the real clients that are linked to it, oldest first.
func (p *Phone) Devices() []*Device {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.linked()
}

// linked is Devices for who holds the lock.
func (p *Phone) linked() []*Device {
	var devices []*Device
	for _, number := range p.deviceNumbers() {
		devices = append(devices, p.devices[number])
	}
	return devices
}

func (p *Phone) deviceNumbers() []uint16 {
	var numbers []uint16
	for number := range p.devices {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// AddDevice gives the account one more simulated device, such as a computer: what is sent to the account is sent to it too.
func (p *Phone) AddDevice() {
	p.signal.Lock()
	defer p.signal.Unlock()
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.serial++
	p.handsets = append(p.handsets, newHandset(p, p.serial))
	p.devicesChanged()
}

// devicesChanged tells those who know its devices that they are others now. The caller holds the lock.
func (p *Phone) devicesChanged() {
	for d := range p.known {
		for _, name := range []types.JID{p.numbered(), p.lid} {
			d.enqueue(node{Tag: "notification", Attrs: attrs{
				"type": "devices", "from": name, "id": p.server.stanzaID(), "t": stamp(time.Now()),
			}, Content: []node{{Tag: "update", Attrs: attrs{"device_hash": ""}}}})
		}
	}
	clear(p.known)
}

// numbered is its JID, for who holds the lock.
func (p *Phone) numbered() types.JID { return types.NewJID(p.number, types.DefaultUserServer) }

// named is its JID in either form, for who holds the lock.
func (p *Phone) named(byLID bool) types.JID {
	if byLID {
		return p.lid
	}
	return p.numbered()
}

// is tells whether a JID names it.
func (p *Phone) is(j types.JID) bool {
	return j.Server == types.HiddenUserServer && j.User == p.lid.User || j.Server == types.DefaultUserServer && j.User == p.number
}

func at(j types.JID, device uint16) types.JID {
	j.Device = device
	return j
}

// identity is the key pair of the account.
func (p *Phone) identity() *keys.KeyPair {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.handsets[0].store.IdentityKey
}

var errNobody = errors.New("nobody there is on WhatsApp")

// stanzaID makes an id for a stanza of the server. The caller holds the lock.
func (s *Server) stanzaID() string {
	s.serial++
	return strconv.FormatUint(s.serial, 10)
}

func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
