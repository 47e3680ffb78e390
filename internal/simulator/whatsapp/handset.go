package whatsapp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// handset is a simulated device of a phone: its telephone, or a computer that it is linked to. Its encryption is real.
type handset struct {
	phone  *Phone
	number uint16
	store  *store.Device
	memory *memory
	knows  map[string]map[*Device]bool // who has its sender key, by group
	asked  map[string]int              // how often it has asked for a message again
}

func newHandset(p *Phone, number uint16) *handset {
	identity := keys.NewKeyPair()
	h := &handset{phone: p, number: number, memory: newMemory(), knows: map[string]map[*Device]bool{}, asked: map[string]int{}}
	h.store = &store.Device{
		IdentityKey: identity, SignedPreKey: identity.CreateSignedPreKey(1), RegistrationID: rand.Uint32()>>1 + 1,
		Identities: h.memory, Sessions: h.memory, PreKeys: h.memory, SenderKeys: h.memory,
	}
	return h
}

// encrypt seals a message for a device. The bundle is for a device it has no session with, else nil.
func (h *handset) encrypt(to types.JID, bundle *prekey.Bundle, m *waE2E.Message) (*node, error) {
	ctx, address := context.Background(), to.SignalAddress()
	builder := session.NewBuilderFromSignal(h.store, address, store.SignalProtobufSerializer)
	if bundle != nil {
		if err := builder.ProcessBundle(ctx, bundle); err != nil {
			return nil, fmt.Errorf("start a session with %s: %w", to, err)
		}
	}
	plain, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	sealed, err := session.NewCipher(builder, address).Encrypt(ctx, pad(plain))
	if err != nil {
		return nil, fmt.Errorf("encrypt for %s: %w", to, err)
	}
	kind := "msg"
	if sealed.Type() == protocol.PREKEY_TYPE {
		kind = "pkmsg"
	}
	return &node{Tag: "enc", Attrs: attrs{"v": "2", "type": kind}, Content: sealed.Serialize()}, nil
}

// hasSession tells whether it needs no bundle for a device.
func (h *handset) hasSession(with types.JID) bool {
	_, ok := h.memory.sessions[with.SignalAddress().String()]
	return ok
}

// decrypt opens what a device has sealed: a message for this handset, or for a group.
func (h *handset) decrypt(from types.JID, group string, enc *node) (*waE2E.Message, error) {
	sealed, _ := enc.Content.([]byte)
	plain, err := h.open(context.Background(), from, group, text(enc, "type"), sealed)
	if err != nil {
		return nil, fmt.Errorf("decrypt from %s: %w", from, err)
	}
	if len(plain) == 0 || int(plain[len(plain)-1]) > len(plain) {
		return nil, errors.New("the padding is wrong")
	}
	m := &waE2E.Message{}
	return m, proto.Unmarshal(plain[:len(plain)-int(plain[len(plain)-1])], m)
}

func (h *handset) open(ctx context.Context, from types.JID, group, kind string, sealed []byte) ([]byte, error) {
	serializer, address := store.SignalProtobufSerializer, from.SignalAddress()
	cipher := session.NewCipher(session.NewBuilderFromSignal(h.store, address, serializer), address)
	switch kind {
	case "pkmsg":
		m, err := protocol.NewPreKeySignalMessageFromBytes(sealed, serializer.PreKeySignalMessage, serializer.SignalMessage)
		if err != nil {
			return nil, err
		}
		return cipher.DecryptMessage(ctx, m)
	case "msg":
		m, err := protocol.NewSignalMessageFromBytes(sealed, serializer.SignalMessage)
		if err != nil {
			return nil, err
		}
		return cipher.Decrypt(ctx, m)
	case "skmsg":
		m, err := protocol.NewSenderKeyMessageFromBytes(sealed, serializer.SenderKeyMessage)
		if err != nil {
			return nil, err
		}
		builder := groups.NewGroupSessionBuilder(h.store, serializer)
		return groups.NewGroupCipher(builder, protocol.NewSenderKeyName(group, address), h.store).Decrypt(ctx, m)
	}
	return nil, fmt.Errorf("unknown kind of encryption %q", kind)
}

// learn takes the sender key that a device will use in a group.
func (h *handset) learn(from types.JID, group string, distribution []byte) error {
	serializer := store.SignalProtobufSerializer
	m, err := protocol.NewSenderKeyDistributionMessageFromBytes(distribution, serializer.SenderKeyDistributionMessage)
	if err != nil {
		return err
	}
	name := protocol.NewSenderKeyName(group, from.SignalAddress())
	return groups.NewGroupSessionBuilder(h.store, serializer).Process(context.Background(), name, m)
}

// teach makes what others need to read this handset in a group.
func (h *handset) teach(group string) (*waE2E.Message, error) {
	builder := groups.NewGroupSessionBuilder(h.store, store.SignalProtobufSerializer)
	m, err := builder.Create(context.Background(), h.senderKey(group))
	if err != nil {
		return nil, err
	}
	return &waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{
		GroupID: proto.String(group), AxolotlSenderKeyDistributionMessage: m.Serialize(),
	}}, nil
}

// shared is a message that is sealed once for a whole group, and the key to it, which some have already.
type shared struct {
	key *waE2E.Message
	enc *node
}

// share seals a message for a group. The key comes first: it opens what follows, not what was before.
func (h *handset) share(group string, m *waE2E.Message) (all shared, err error) {
	if all.key, err = h.teach(group); err != nil {
		return all, err
	}
	plain, err := proto.Marshal(m)
	if err != nil {
		return all, err
	}
	builder := groups.NewGroupSessionBuilder(h.store, store.SignalProtobufSerializer)
	sealed, err := groups.NewGroupCipher(builder, h.senderKey(group), h.store).Encrypt(context.Background(), pad(plain))
	if err != nil {
		return all, err
	}
	all.enc = &node{Tag: "enc", Attrs: attrs{"v": "2", "type": "skmsg"}, Content: sealed.SignedSerialize()}
	return all, nil
}

func (h *handset) senderKey(group string) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group, at(h.phone.lid, h.number).SignalAddress())
}

// bundle is what somebody needs to start a session with it, with a key that is used once.
func (h *handset) bundle() []node {
	h.phone.signal.Lock()
	defer h.phone.signal.Unlock()
	return bundleNodes(h.store.RegistrationID, *h.store.IdentityKey.Pub, signedKey{rawKey(h.store.SignedPreKey), *h.store.SignedPreKey.Signature}, rawKey(h.memory.fresh()))
}

// pad adds 1 to 15 octets, each of which says how many.
func pad(plain []byte) []byte {
	n := 1 + rand.IntN(15)
	return append(plain, bytes.Repeat([]byte{byte(n)}, n)...)
}

// memory keeps what the Signal library needs of a handset. It has the identities of its peers trusted, new ones too.
type memory struct {
	*store.NoopStore
	mu         sync.Mutex
	sessions   map[string][]byte
	senderKeys map[string][]byte
	preKeys    map[uint32]*keys.PreKey
	last       uint32
}

func newMemory() *memory {
	return &memory{
		NoopStore: &store.NoopStore{}, sessions: map[string][]byte{}, senderKeys: map[string][]byte{}, preKeys: map[uint32]*keys.PreKey{},
	}
}

// fresh makes a key that is used once.
func (m *memory) fresh() *keys.PreKey {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	key := keys.NewPreKey(m.last)
	m.preKeys[key.KeyID] = key
	return key
}

// IsTrustedIdentity trusts everybody.
func (m *memory) IsTrustedIdentity(context.Context, string, [32]byte) (bool, error) { return true, nil }

// GetSession finds a session.
func (m *memory) GetSession(_ context.Context, address string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[address], nil
}

// HasSession tells whether there is a session.
func (m *memory) HasSession(_ context.Context, address string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[address] != nil, nil
}

// PutSession keeps a session.
func (m *memory) PutSession(_ context.Context, address string, s []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[address] = s
	return nil
}

// GetPreKey finds a key that is used once.
func (m *memory) GetPreKey(_ context.Context, id uint32) (*keys.PreKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.preKeys[id], nil
}

// RemovePreKey forgets a key that has been used.
func (m *memory) RemovePreKey(_ context.Context, id uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.preKeys, id)
	return nil
}

// PutSenderKey keeps the key of a sender in a group.
func (m *memory) PutSenderKey(_ context.Context, group, user string, key []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.senderKeys[group+" "+user] = key
	return nil
}

// GetSenderKey finds the key of a sender in a group.
func (m *memory) GetSenderKey(_ context.Context, group, user string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.senderKeys[group+" "+user], nil
}

// forget drops the key of a sender in a group.
func (m *memory) forget(group, user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.senderKeys, group+" "+user)
}

// oneTime is a key that is used once, as it is on the wire: a client gives hundreds, and they are to take little room.
type oneTime struct {
	id     [3]byte
	public [32]byte
}

// signedKey is the key of a bundle that stays.
type signedKey struct {
	oneTime
	signature [64]byte
}

func rawKey(k *keys.PreKey) oneTime {
	return oneTime{id: [3]byte{byte(k.KeyID >> 16), byte(k.KeyID >> 8), byte(k.KeyID)}, public: *k.Pub}
}

func (k oneTime) number() uint32 { return uint32(k.id[0])<<16 | uint32(k.id[1])<<8 | uint32(k.id[2]) }

// bundleNodes writes a bundle as it is asked for; without a one-time key when none is left.
func bundleNodes(registration uint32, identity [32]byte, signed signedKey, once ...oneTime) []node {
	children := []node{
		{Tag: "registration", Content: []byte{byte(registration >> 24), byte(registration >> 16), byte(registration >> 8), byte(registration)}},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: identity[:]},
		{Tag: "skey", Content: []node{
			{Tag: "id", Content: signed.id[:]}, {Tag: "value", Content: signed.public[:]}, {Tag: "signature", Content: signed.signature[:]},
		}},
	}
	for _, key := range once {
		children = append(children, node{Tag: "key", Content: []node{{Tag: "id", Content: key.id[:]}, {Tag: "value", Content: key.public[:]}}})
	}
	return children
}
