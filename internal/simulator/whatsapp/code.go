package whatsapp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"go.mau.fi/whatsmeow/util/keys"
)

// codePairing is a client that shows a pairing code, and what both sides have said.
type codePairing struct {
	ref      string
	number   string
	wrapped  []byte // the client's key, under the code
	finished chan finishedCode
}

type finishedCode struct{ bundle, identity []byte }

// codeRounds is how often the key of a code is derived; it makes guessing dear.
const codeRounds = 2 << 16

// linkCode takes the two steps that a client does to be linked by a code.
func (s *Server) linkCode(c *conn, n *node) answer {
	step := n.GetChildByTag("link_code_companion_reg")
	switch text(&step, "stage") {
	case "companion_hello":
		return s.showCode(c, &step)
	case "companion_finish":
		s.mu.Lock()
		pairing := s.codes[string(octets(&step, "link_code_pairing_ref"))]
		s.mu.Unlock()
		if pairing != c || c.code == nil {
			return refusal(404, "item-not-found")
		}
		select {
		case c.code.finished <- finishedCode{octets(&step, "link_code_pairing_wrapped_key_bundle"), octets(&step, "companion_identity_public")}:
		default: // it has finished before
		}
		return result()
	}
	return refusal(400, "bad-request")
}

func (s *Server) showCode(c *conn, step *node) answer {
	wrapped := octets(step, "link_code_pairing_wrapped_companion_ephemeral_pub")
	number := jid(step, "jid").User
	if len(wrapped) != 80 || number == "" {
		return refusal(400, "bad-request")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !plausible(number) {
		return refusal(404, "item-not-found")
	}
	if c.code != nil {
		delete(s.codes, c.code.ref)
	}
	c.code = &codePairing{ref: s.stanzaID(), number: number, wrapped: wrapped, finished: make(chan finishedCode, 1)}
	s.codes[c.code.ref] = c
	return result(node{Tag: "link_code_companion_reg", Attrs: attrs{"stage": "companion_hello"}, Content: []node{
		{Tag: "link_code_pairing_ref", Content: []byte(c.code.ref)},
	}})
}

// EnterCode links the client that shows a pairing code for this phone's number.
func (p *Phone) EnterCode(code string) (*Device, error) {
	code = strings.ToUpper(strings.ReplaceAll(code, "-", ""))
	if len(code) != 8 {
		return nil, fmt.Errorf("%q is no pairing code: it has eight letters and digits", code)
	}
	c, pairing := p.showsCode()
	if c == nil {
		return nil, ErrNoSuchCode
	}
	ephemeral := keys.NewKeyPair()
	salt, iv := random(32), random(16)
	ours, err := underCode(code, salt, iv, ephemeral.Pub[:])
	if err != nil {
		return nil, err
	}
	phone := p.identity()
	s := p.server
	c.send(node{Tag: "notification", Attrs: attrs{
		"type": "link_code_companion_reg", "from": types.ServerJID, "id": fmt.Sprint(s.next()), "t": stamp(time.Now()),
	}, Content: []node{{Tag: "link_code_companion_reg", Attrs: attrs{"stage": "primary_hello"}, Content: []node{
		{Tag: "link_code_pairing_wrapped_primary_ephemeral_pub", Content: slices.Concat(salt, iv, ours)},
		{Tag: "primary_identity_pub", Content: phone.Pub[:]},
		{Tag: "link_code_pairing_ref", Content: []byte(pairing.ref)},
	}}}})
	select {
	case done := <-pairing.finished:
		theirs, err := underCode(code, pairing.wrapped[:32], pairing.wrapped[32:48], pairing.wrapped[48:])
		if err != nil {
			return nil, err
		}
		client, err := phoneSecret(ephemeral, phone, theirs, done)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoSuchCode, err)
		}
		client.conn = c
		return p.link(client)
	case <-time.After(pairTime):
		return nil, fmt.Errorf("%w: the client does not answer", ErrNoSuchCode)
	case <-c.ctx.Done():
		return nil, fmt.Errorf("%w: the client has gone", ErrNoSuchCode)
	}
}

// showsCode finds the newest connection that shows a code for this number.
func (p *Phone) showsCode() (*conn, *codePairing) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	var newest *conn
	for _, c := range s.codes {
		if c.code.number == p.number && (newest == nil || len(c.code.ref) > len(newest.code.ref) || c.code.ref > newest.code.ref) {
			newest = c
		}
	}
	if newest == nil {
		return nil, nil
	}
	return newest, newest.code
}

// underCode seals or opens a key with a code.
func underCode(code string, salt, iv, key []byte) ([]byte, error) {
	derived, err := pbkdf2.Key(sha256.New, code, salt, codeRounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(key))
	cipher.NewCTR(block, iv).XORKeyStream(out, key)
	return out, nil
}

// phoneSecret opens what the client has sealed for the phone, and derives the secret that both know now.
func phoneSecret(ephemeral, phone *keys.KeyPair, theirs []byte, done finishedCode) (client companion, err error) {
	if len(done.bundle) < 44 || len(done.identity) != 32 {
		return client, fmt.Errorf("a bundle of %d octets", len(done.bundle))
	}
	shared, err := agree(ephemeral.Priv[:], theirs)
	if err != nil {
		return client, err
	}
	key := hkdfutil.SHA256(shared, done.bundle[:32], []byte("link_code_pairing_key_bundle_encryption_key"), 32)
	bundle, err := gcmutil.Decrypt(key, done.bundle[32:44], done.bundle[44:], nil)
	if err != nil {
		return client, fmt.Errorf("open the client's bundle: %w", err)
	}
	if len(bundle) != 96 || !slices.Equal(bundle[:32], done.identity) || !slices.Equal(bundle[32:64], phone.Pub[:]) {
		return client, fmt.Errorf("the client's bundle names other keys")
	}
	identity, err := agree(phone.Priv[:], done.identity)
	if err != nil {
		return client, err
	}
	copy(client.identity[:], done.identity)
	client.secret = hkdfutil.SHA256(slices.Concat(shared, identity, bundle[64:]), nil, []byte("adv_secret"), 32)
	return client, nil
}

// agree is the secret of a private and a public key.
func agree(private, public []byte) ([]byte, error) {
	ours, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	theirs, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return ours.ECDH(theirs)
}
