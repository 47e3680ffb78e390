package whatsapp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// authority is who signs the server's key: root, intermediate and leaf, as the client checks them.
type authority struct {
	root   *keys.KeyPair
	static *keys.KeyPair
	chain  []byte
}

// newAuthority makes keys of its own. The certificates are valid in any year, for tests whose clock stands elsewhere.
func newAuthority() (*authority, error) {
	a := &authority{root: keys.NewKeyPair(), static: keys.NewKeyPair()}
	intermediate := keys.NewKeyPair()
	upper, err := certify(a.root, &waCert.CertChain_NoiseCertificate_Details{
		Serial: proto.Uint32(1), IssuerSerial: proto.Uint32(0), Key: intermediate.Pub[:],
	})
	if err != nil {
		return nil, err
	}
	leaf, err := certify(intermediate, &waCert.CertChain_NoiseCertificate_Details{
		Serial: proto.Uint32(2), IssuerSerial: proto.Uint32(1), Key: a.static.Pub[:],
	})
	if err != nil {
		return nil, err
	}
	a.chain, err = proto.Marshal(&waCert.CertChain{Intermediate: upper, Leaf: leaf})
	return a, err
}

func certify(signer *keys.KeyPair, details *waCert.CertChain_NoiseCertificate_Details) (*waCert.CertChain_NoiseCertificate, error) {
	details.NotBefore, details.NotAfter = proto.Uint64(0), proto.Uint64(math.MaxUint32)
	raw, err := proto.Marshal(details)
	if err != nil {
		return nil, err
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*signer.Priv), raw)
	return &waCert.CertChain_NoiseCertificate{Details: raw, Signature: signature[:]}, nil
}

// noise is the responder's state of a Noise_XX_25519_AESGCM_SHA256 handshake.
type noise struct {
	hash, salt []byte
	key        cipher.AEAD
	counter    uint32
}

func newNoise(prologue []byte) (*noise, error) {
	n := &noise{hash: []byte(socket.NoiseStartPattern), salt: []byte(socket.NoiseStartPattern)}
	var err error
	n.key, err = aead(n.hash)
	n.authenticate(prologue)
	return n, err
}

func (n *noise) authenticate(data []byte) {
	sum := sha256.New()
	sum.Write(n.hash)
	sum.Write(data)
	n.hash = sum.Sum(nil)
}

func (n *noise) seal(plain []byte) []byte {
	sealed := n.key.Seal(nil, nonce(n.counter), plain, n.hash)
	n.counter++
	n.authenticate(sealed)
	return sealed
}

func (n *noise) open(sealed []byte) ([]byte, error) {
	plain, err := n.key.Open(nil, nonce(n.counter), sealed, n.hash)
	n.counter++
	n.authenticate(sealed)
	return plain, err
}

// mix takes the secret that both sides know into the key.
func (n *noise) mix(private, public []byte) error {
	secret, err := agree(private, public)
	if err != nil {
		return err
	}
	salt, key, err := n.expand(secret)
	if err != nil {
		return err
	}
	n.salt, n.counter = salt, 0
	n.key, err = aead(key)
	return err
}

func (n *noise) expand(secret []byte) (first, second []byte, err error) {
	both, err := hkdf.Key(sha256.New, secret, n.salt, "", 64)
	if err != nil {
		return nil, nil, err
	}
	return both[:32], both[32:], nil
}

// hello answers the client's first message.
func (n *noise) hello(a *authority, ephemeral *keys.KeyPair, first []byte) ([]byte, error) {
	var in waWa6.HandshakeMessage
	if err := proto.Unmarshal(first, &in); err != nil {
		return nil, fmt.Errorf("parse client hello: %w", err)
	}
	theirs := in.GetClientHello().GetEphemeral()
	n.authenticate(theirs)
	n.authenticate(ephemeral.Pub[:])
	if err := n.mix(ephemeral.Priv[:], theirs); err != nil {
		return nil, fmt.Errorf("mix the ephemeral keys: %w", err)
	}
	static := n.seal(a.static.Pub[:])
	if err := n.mix(a.static.Priv[:], theirs); err != nil {
		return nil, fmt.Errorf("mix the static key: %w", err)
	}
	return proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.Pub[:], Static: static, Payload: n.seal(a.chain),
	}})
}

// finish reads the client's last message: its static key and who it says it is.
func (n *noise) finish(ephemeral *keys.KeyPair, last []byte) (static []byte, payload *waWa6.ClientPayload, err error) {
	var in waWa6.HandshakeMessage
	if err := proto.Unmarshal(last, &in); err != nil {
		return nil, nil, fmt.Errorf("parse client finish: %w", err)
	}
	if static, err = n.open(in.GetClientFinish().GetStatic()); err != nil {
		return nil, nil, fmt.Errorf("open the client's key: %w", err)
	}
	if err := n.mix(ephemeral.Priv[:], static); err != nil {
		return nil, nil, fmt.Errorf("mix the client's key: %w", err)
	}
	raw, err := n.open(in.GetClientFinish().GetPayload())
	if err != nil {
		return nil, nil, fmt.Errorf("open the client's payload: %w", err)
	}
	payload = &waWa6.ClientPayload{}
	return static, payload, proto.Unmarshal(raw, payload)
}

// split makes the keys of the two directions.
func (n *noise) split() (read, write cipher.AEAD, err error) {
	first, second, err := n.expand(nil)
	if err != nil {
		return nil, nil, err
	}
	if read, err = aead(first); err != nil {
		return nil, nil, err
	}
	write, err = aead(second)
	return read, write, err
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(counter uint32) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 8, 12), counter)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
