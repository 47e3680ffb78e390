package whatsapp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// A client shows one code after another: the first for a minute, each other for a third of one, and then it must connect again.
const (
	codesShown    = 6
	firstCodeLife = 60 * time.Second
	codeLife      = 20 * time.Second
)

// pairTime is how long a client may take to confirm that it is linked.
const pairTime = 20 * time.Second

// ErrNoSuchCode is for a QR or pairing code that nobody shows: it is wrong, or its time is over.
var ErrNoSuchCode = errors.New("nobody shows this code: it is wrong or its time is over")

// pairResult is what a client answered to pair-success.
type pairResult struct {
	identity []byte
	err      error
}

// companion is a client that wants to be linked.
type companion struct {
	conn     *conn
	identity [32]byte
	secret   []byte // authenticates the phone's answer
}

func newDevice(p *Phone, number uint16, noise []byte) *Device {
	return &Device{phone: p, number: number, noise: noise, changed: make(chan struct{})}
}

// advertise gives a connection that wants to pair its references, and ends it when the last is over.
func (s *Server) advertise(c *conn) {
	refs := make([]node, codesShown)
	s.mu.Lock()
	for i := range refs {
		ref := "2@" + base64.StdEncoding.EncodeToString(random(48))
		c.advertised = append(c.advertised, ref)
		s.refs[ref] = c
		refs[i] = node{Tag: "ref", Content: []byte(ref)}
	}
	id := s.stanzaID()
	s.mu.Unlock()
	c.send(node{
		Tag: "iq", Attrs: attrs{"from": types.ServerJID, "type": "set", "id": id, "xmlns": "md"},
		Content: []node{{Tag: "pair-device", Content: refs}},
	})
	life := firstCodeLife
	for i := range c.advertised {
		s.after(life, func() { s.expire(c, i) })
		life += codeLife
	}
}

// expire ends the life of one QR code; with the last the connection ends.
func (s *Server) expire(c *conn, i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.conns[c] || c.device != nil {
		return
	}
	delete(s.refs, c.advertised[i])
	if i == len(c.advertised)-1 {
		c.finish()
	}
}

// Scan links the client that shows a QR code, by the code's text.
func (p *Phone) Scan(qr string) (*Device, error) {
	_, code, isLink := strings.Cut(qr, "#")
	if !isLink {
		code = qr
	}
	fields := strings.Split(code, ",")
	if len(fields) < 4 {
		return nil, fmt.Errorf("%q is no QR code of a linked device", qr)
	}
	noise, err := key32(fields[1])
	if err != nil {
		return nil, fmt.Errorf("the code's first key: %w", err)
	}
	identity, err := key32(fields[2])
	if err != nil {
		return nil, fmt.Errorf("the code's second key: %w", err)
	}
	secret, err := key32(fields[3])
	if err != nil {
		return nil, fmt.Errorf("the code's secret: %w", err)
	}
	s := p.server
	s.mu.Lock()
	c := s.refs[fields[0]]
	delete(s.refs, fields[0])
	s.mu.Unlock()
	if c == nil || [32]byte(c.static) != noise {
		return nil, ErrNoSuchCode
	}
	return p.link(companion{conn: c, identity: identity, secret: secret[:]})
}

func key32(field string) (key [32]byte, err error) {
	raw, err := base64.StdEncoding.DecodeString(field)
	if err == nil && len(raw) != len(key) {
		err = fmt.Errorf("%d octets", len(raw))
	}
	copy(key[:], raw)
	return key, err
}

// link signs a client's identity, waits until the client has proved that it has the other half, and lets it log in.
func (p *Phone) link(client companion) (*Device, error) {
	s, c := p.server, client.conn
	d := newDevice(p, 0, c.static)
	d.identity = client.identity
	d.registered(c)
	s.mu.Lock()
	p.serial++
	d.number = p.serial
	lid, number, business := at(p.lid, d.number), at(p.numbered(), d.number), p.business
	id := s.stanzaID()
	s.mu.Unlock()
	if d.number > 255 {
		return nil, errors.New("a phone links 255 devices in its life, and this one has")
	}
	details, container, err := p.vouch(client, uint32(d.number))
	if err != nil {
		return nil, err
	}
	success := node{Tag: "pair-success", Content: []node{
		{Tag: "device-identity", Content: container},
		{Tag: "device", Attrs: attrs{"jid": number, "lid": lid}},
		{Tag: "platform", Attrs: attrs{"name": "android"}},
	}}
	if business != "" {
		success.Content = append(success.GetChildren(), node{Tag: "biz", Attrs: attrs{"name": business}})
	}
	c.send(node{Tag: "iq", Attrs: attrs{
		"from": types.ServerJID, "type": "set", "id": id, "xmlns": "md", "t": stamp(time.Now()),
	}, Content: []node{success}})
	if err := d.confirmed(c, details); err != nil {
		return nil, err
	}
	s.mu.Lock()
	p.devices[d.number] = d
	s.history.add(Record{Op: OpLink, Device: d.name()})
	p.devicesChanged()
	s.mu.Unlock()
	c.breakWith(streamError("515"))
	return d, nil
}

// registered takes what the client said of itself when it connected.
func (d *Device) registered(c *conn) {
	data := c.payload.GetDevicePairingData()
	if id := data.GetERegid(); len(id) == 4 {
		d.registration = binary.BigEndian.Uint32(id)
	}
	copy(d.signed.id[:], data.GetESkeyID())
	copy(d.signed.public[:], data.GetESkeyVal())
	copy(d.signed.signature[:], data.GetESkeySig())
}

// vouch signs the client's identity with the phone's, and proves with the code's secret that the phone has seen the code.
func (p *Phone) vouch(client companion, index uint32) (signed *waAdv.ADVSignedDeviceIdentity, container []byte, err error) {
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID: proto.Uint32(1), Timestamp: proto.Uint64(uint64(time.Now().Unix())), KeyIndex: proto.Uint32(index),
	})
	if err != nil {
		return nil, nil, err
	}
	phone := p.identity()
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*phone.Priv),
		slices.Concat(whatsmeow.AdvAccountSignaturePrefix, details, client.identity[:]))
	signed = &waAdv.ADVSignedDeviceIdentity{Details: details, AccountSignatureKey: phone.Pub[:], AccountSignature: signature[:]}
	raw, err := proto.Marshal(signed)
	if err != nil {
		return nil, nil, err
	}
	mac := hmac.New(sha256.New, client.secret)
	mac.Write(raw)
	container, err = proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: raw, HMAC: mac.Sum(nil)})
	return signed, container, err
}

// confirmed waits for the client's own signature and checks it.
func (d *Device) confirmed(c *conn, signed *waAdv.ADVSignedDeviceIdentity) error {
	ctx, cancel := context.WithTimeout(c.ctx, pairTime)
	defer cancel()
	select {
	case r := <-c.pairing:
		if r.err != nil {
			return fmt.Errorf("the client refuses to be linked: %w", r.err)
		}
		var own waAdv.ADVSignedDeviceIdentity
		if err := proto.Unmarshal(r.identity, &own); err != nil {
			return fmt.Errorf("read the client's signature: %w", err)
		}
		message := slices.Concat(whatsmeow.AdvDeviceSignaturePrefix, signed.Details, d.identity[:], signed.AccountSignatureKey)
		if len(own.DeviceSignature) != 64 || !ecc.VerifySignature(ecc.NewDjbECPublicKey(d.identity), message, [64]byte(own.DeviceSignature)) {
			return errors.New("the client's signature is wrong")
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the client does not confirm that it is linked: %w", ctx.Err())
	}
}

// paired takes the client's answer to pair-success.
func (c *conn) paired(iq *node) {
	r := pairResult{identity: octets(iq, "pair-device-sign", "device-identity")}
	if e, failed := iq.GetOptionalChildByTag("error"); failed {
		r.err = fmt.Errorf("%s %s", text(&e, "code"), text(&e, "text"))
	} else if r.identity == nil {
		return // it acknowledges pair-device
	}
	select {
	case c.pairing <- r:
	default: // nobody waits for a second answer
	}
}

// Unlink removes a linked device: it is told so, or finds out when it logs in.
func (p *Phone) Unlink(d *Device) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.conn != nil {
		d.conn.breakWith(streamError("401", node{Tag: "conflict", Attrs: attrs{"type": "device_removed"}}))
	}
	d.remove()
}

// remove forgets a device and what waits for it. The caller holds the lock.
func (d *Device) remove() {
	d.removed, d.queue, d.keys = true, nil, nil
	delete(d.phone.devices, d.number)
	d.phone.unlinked[d.number] = true
	d.phone.server.history.add(Record{Op: OpUnlink, Device: d.name()})
	d.phone.devicesChanged()
}
