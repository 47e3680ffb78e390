package whatsapp

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/types"
)

// fewKeys is how many one-time keys are left when the client is asked for more.
const fewKeys = 5

// Device is a real client that is linked to a phone. What it has not acknowledged waits for it, in order.
type Device struct {
	phone  *Phone
	number uint16

	// All of it is guarded by the server's lock.
	noise        []byte
	identity     [32]byte
	registration uint32
	signed       signedKey
	keys         []oneTime // not used yet
	conn         *conn
	removed      bool
	greeted      bool // the phone has told it what a new device needs
	keyed        bool // it has the key of the app state
	present      bool // it calls itself available
	queue        []waiting
	seen         []string // ids of the newest messages it sent
	banned       time.Time
	faults       faults
	changed      chan struct{} // closed when it comes, goes or acknowledges
}

// waiting is a stanza that a device has not acknowledged.
type waiting struct {
	key  string
	node node
}

// JID is how WhatsApp names the device.
func (d *Device) JID() types.JID { return at(d.phone.JID(), d.number) }

// Phone is the phone it is linked to.
func (d *Device) Phone() *Phone { return d.phone }

// Connected tells whether it is logged in.
func (d *Device) Connected() bool {
	d.phone.server.mu.Lock()
	defer d.phone.server.mu.Unlock()
	return d.conn != nil
}

// Pending is how many stanzas it has not acknowledged.
func (d *Device) Pending() int {
	d.phone.server.mu.Lock()
	defer d.phone.server.mu.Unlock()
	return len(d.queue)
}

// AwaitConnected waits until it is logged in, or is not.
func (d *Device) AwaitConnected(ctx context.Context, connected bool) error {
	return d.wait(ctx, func() bool { return (d.conn != nil) == connected })
}

// AwaitSettled waits until it has acknowledged everything.
func (d *Device) AwaitSettled(ctx context.Context) error {
	return d.wait(ctx, func() bool { return len(d.queue) == 0 })
}

// wait waits until something holds, which is asked with the lock held.
func (d *Device) wait(ctx context.Context, holds func() bool) error {
	for {
		d.phone.server.mu.Lock()
		changed, done := d.changed, holds()
		d.phone.server.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for device %s: %w", d.JID(), ctx.Err())
		}
	}
}

// tell wakes who waits. The caller holds the lock.
func (d *Device) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// enqueue sends a stanza, now or when the device comes back, until it is acknowledged. The caller holds the lock.
func (d *Device) enqueue(n node) {
	if d.removed {
		return
	}
	d.queue = append(d.queue, waiting{key: keyOf(&n, "from"), node: n})
	if d.conn == nil {
		return
	}
	d.conn.send(n)
	if n.Tag == "message" && d.faults.repeat > 0 {
		d.faults.repeat--
		d.conn.send(n)
	}
}

// acknowledged takes from the queue what an ack names.
func (d *Device) acknowledged(ack *node) { d.settle(ack, text(ack, "class")) }

func (d *Device) settle(ack *node, class string) {
	like := *ack
	like.Tag = class
	key := keyOf(&like, "to")
	d.phone.server.mu.Lock()
	defer d.phone.server.mu.Unlock()
	if i := slices.IndexFunc(d.queue, func(w waiting) bool { return w.key == key }); i >= 0 {
		d.phone.server.history.add(Record{Op: opAcknowledged(class), Device: d.name(), ID: text(ack, "id"), Kind: text(ack, "type")})
		if i == 0 { // as nearly always: nothing needs to move
			d.queue[0] = waiting{}
			d.queue = d.queue[1:]
		} else {
			d.queue = slices.Delete(d.queue, i, i+1)
		}
		d.tell()
	}
}

// keyOf is what a stanza and its acknowledgement have in common.
func keyOf(n *node, peer string) string {
	parts := []string{n.Tag, text(n, "id"), jid(n, peer).String(), jid(n, "participant").String()}
	if n.Tag != "message" {
		parts = append(parts, text(n, "type"))
	}
	return strings.Join(parts, " ")
}

// name is its JID for who holds the lock.
func (d *Device) name() string { return at(d.phone.numbered(), d.number).String() }

// repeated tells whether it has sent a message with this id before, and remembers it. The caller holds the lock.
func (d *Device) repeated(id string) bool {
	if slices.Contains(d.seen, id) {
		return true
	}
	if len(d.seen) == 100 {
		d.seen = slices.Delete(d.seen, 0, 50)
	}
	d.seen = append(d.seen, id)
	return false
}

// bundle is what a handset needs to start a session with it, or nil when the device has not sent its keys yet. The caller holds the lock.
func (d *Device) bundle() *prekey.Bundle {
	if d.registration == 0 || d.signed == (signedKey{}) {
		return nil
	}
	once, public := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if key := d.pop(); key != nil {
		once, public = optional.NewOptionalUint32(key.number()), ecc.NewDjbECPublicKey(key.public)
	}
	return prekey.NewBundle(d.registration, uint32(d.number), once, d.signed.number(), public, ecc.NewDjbECPublicKey(d.signed.public),
		d.signed.signature, identity.NewKey(ecc.NewDjbECPublicKey(d.identity)))
}

// bundleNodes is the bundle as another client gets it. The caller holds the lock.
func (d *Device) bundleNodes() []node {
	if key := d.pop(); key != nil {
		return bundleNodes(d.registration, d.identity, d.signed, *key)
	}
	return bundleNodes(d.registration, d.identity, d.signed)
}

// pop takes a one-time key, and asks the client for more when few are left. The caller holds the lock.
func (d *Device) pop() *oneTime {
	if len(d.keys) == 0 {
		return nil
	}
	key := d.keys[0]
	d.keys = d.keys[1:]
	if len(d.keys) == fewKeys-1 {
		d.enqueue(node{Tag: "notification", Attrs: attrs{
			"type": "encrypt", "from": types.ServerJID, "id": d.phone.server.stanzaID(), "t": stamp(time.Now()),
		}, Content: []node{{Tag: "count", Attrs: attrs{"value": fmt.Sprint(len(d.keys))}}}})
	}
	return &key
}

// upload takes the keys that a client sends. The caller holds the lock.
func (d *Device) upload(iq *node) error {
	registration, id := octets(iq, "registration"), octets(iq, "identity")
	list := iq.GetChildByTag("list")
	signed, err := signedFrom(iq.GetChildByTag("skey"))
	if len(registration) != 4 || len(id) != 32 || err != nil {
		return fmt.Errorf("not a list of keys: %w", err)
	}
	children := list.GetChildren()
	all := make([]oneTime, 0, len(d.keys)+len(children))
	all = append(all, d.keys...)
	for i := range children {
		key, err := keyFrom(children[i])
		if err != nil {
			return err
		}
		all = append(all, key)
	}
	d.registration, d.identity, d.signed, d.keys = binary.BigEndian.Uint32(registration), [32]byte(id), signed, all
	return nil
}

func keyFrom(n node) (key oneTime, err error) {
	id, value := octets(&n, "id"), octets(&n, "value")
	if len(id) != 3 || len(value) != 32 {
		return key, fmt.Errorf("a key with %d and %d octets", len(id), len(value))
	}
	return oneTime{[3]byte(id), [32]byte(value)}, nil
}

func signedFrom(n node) (key signedKey, err error) {
	if key.oneTime, err = keyFrom(n); err != nil {
		return key, err
	}
	signature := octets(&n, "signature")
	if len(signature) != 64 {
		return key, fmt.Errorf("a signature with %d octets", len(signature))
	}
	key.signature = [64]byte(signature)
	return key, nil
}
