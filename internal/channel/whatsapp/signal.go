package whatsapp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"tidings.dev/internal/channel"
)

// The names of what the Signal protocol needs: identities, sessions and the sender keys of groups, by address, and the one-time
// keys that others begin sessions with, before and after the network has them.
const (
	identityName = "identity/"
	sessionName  = "session/"
	senderName   = "sender/"
	newKeyName   = "prekey/new/"
	upKeyName    = "prekey/up/"
	nextKeyName  = "prekey/next"
)

// PutIdentity keeps the identity of a device.
func (v *vault) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	return v.put(ctx, identityName+address, key[:])
}

// DeleteAllIdentities forgets the identities of all devices of somebody.
func (v *vault) DeleteAllIdentities(ctx context.Context, phone string) error {
	return v.dropAll(ctx, identityName+phone+":")
}

// DeleteIdentity forgets the identity of a device.
func (v *vault) DeleteIdentity(ctx context.Context, address string) error {
	return v.drop(ctx, identityName+address)
}

// IsTrustedIdentity reports whether a device has the identity it had; one that is new is trusted.
func (v *vault) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	known, err := v.get(ctx, identityName+address)
	return err == nil && (known == nil || bytes.Equal(known, key[:])), err
}

// GetSession returns the session with a device, or nil.
func (v *vault) GetSession(ctx context.Context, address string) ([]byte, error) {
	return v.get(ctx, sessionName+address)
}

// HasSession reports whether there is a session with a device.
func (v *vault) HasSession(ctx context.Context, address string) (bool, error) {
	raw, err := v.get(ctx, sessionName+address)
	return raw != nil, err
}

// GetManySessions returns the sessions with devices, nil where there is none.
func (v *vault) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	names := make([]string, len(addresses))
	for i, a := range addresses {
		names[i] = sessionName + a
	}
	values, err := v.load(ctx, names...)
	if err != nil {
		return nil, err
	}
	sessions := make(map[string][]byte, len(addresses))
	for i, a := range addresses {
		sessions[a] = values[i]
	}
	return sessions, nil
}

// PutSession keeps the session with a device.
func (v *vault) PutSession(ctx context.Context, address string, session []byte) error {
	return v.put(ctx, sessionName+address, session)
}

// PutManySessions keeps sessions, all or none.
func (v *vault) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	kept := make([]channel.Kept, 0, len(sessions))
	for address, session := range sessions {
		kept = append(kept, channel.Kept{Name: sessionName + address, Value: session})
	}
	return v.save(ctx, kept...)
}

// DeleteAllSessions forgets the sessions with all devices of somebody.
func (v *vault) DeleteAllSessions(ctx context.Context, phone string) error {
	return v.dropAll(ctx, sessionName+phone+":")
}

// DeleteSession forgets the session with a device.
func (v *vault) DeleteSession(ctx context.Context, address string) error {
	return v.drop(ctx, sessionName+address)
}

// MigratePNToLID gives what is kept of somebody's phone number to his linked id. The numbers are no more then, so that there is
// nothing to do the next time.
func (v *vault) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	from, to := pn.SignalAddressUser()+":", lid.SignalAddressUser()+":"
	var moved []channel.Kept
	for _, prefix := range []string{identityName, sessionName} {
		all, err := v.list(ctx, prefix+from)
		if err != nil {
			return err
		}
		for _, k := range all {
			moved = append(moved, channel.Kept{Name: k.Name}, channel.Kept{Name: prefix + to + strings.TrimPrefix(k.Name, prefix+from), Value: k.Value})
		}
	}
	if len(moved) == 0 {
		return nil
	}
	senders, err := v.list(ctx, senderName)
	if err != nil {
		return err
	}
	for _, k := range senders {
		group, sender, _ := strings.Cut(strings.TrimPrefix(k.Name, senderName), "/")
		if device, his := strings.CutPrefix(sender, from); his {
			moved = append(moved, channel.Kept{Name: k.Name}, channel.Kept{Name: senderKeyName(group, to+device), Value: k.Value})
		}
	}
	return v.save(ctx, moved...)
}

func senderKeyName(group, user string) string { return senderName + group + "/" + user }

// PutSenderKey keeps the key that somebody writes to a group with.
func (v *vault) PutSenderKey(ctx context.Context, group, user string, session []byte) error {
	return v.put(ctx, senderKeyName(group, user), session)
}

// GetSenderKey returns the key that somebody writes to a group with, or nil.
func (v *vault) GetSenderKey(ctx context.Context, group, user string) ([]byte, error) {
	return v.get(ctx, senderKeyName(group, user))
}

// preKeyName has the number in a form whose order is that of the numbers.
func preKeyName(prefix string, id uint32) string { return fmt.Sprintf("%s%08x", prefix, id) }

// GetOrGenPreKeys returns keys that the network does not have yet, and makes those that are missing.
func (v *vault) GetOrGenPreKeys(ctx context.Context, count uint32) ([]*keys.PreKey, error) {
	v.prekeys.Lock()
	defer v.prekeys.Unlock()
	there, err := v.list(ctx, newKeyName)
	if err != nil {
		return nil, err
	}
	list := make([]*keys.PreKey, 0, count)
	for _, k := range there[:min(len(there), int(count))] {
		key, err := readPreKey(k.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, key)
	}
	made, err := v.makePreKeys(ctx, newKeyName, int(count)-len(list))
	return append(list, made...), err
}

// GenOnePreKey makes a key that is given away at once.
func (v *vault) GenOnePreKey(ctx context.Context) (*keys.PreKey, error) {
	v.prekeys.Lock()
	defer v.prekeys.Unlock()
	made, err := v.makePreKeys(ctx, upKeyName, 1)
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

func (v *vault) makePreKeys(ctx context.Context, prefix string, n int) (made []*keys.PreKey, err error) {
	if n <= 0 {
		return nil, nil
	}
	next := uint32(1)
	raw, err := v.get(ctx, nextKeyName)
	if err != nil {
		return nil, err
	}
	if len(raw) == 4 {
		next = binary.BigEndian.Uint32(raw)
	}
	kept := make([]channel.Kept, 0, n+1)
	for id := next; id < next+uint32(n); id++ {
		key := keys.NewPreKey(id)
		made = append(made, key)
		kept = append(kept, channel.Kept{Name: preKeyName(prefix, id), Value: writePreKey(key)})
	}
	kept = append(kept, channel.Kept{Name: nextKeyName, Value: binary.BigEndian.AppendUint32(nil, next+uint32(n))})
	return made, v.save(ctx, kept...)
}

func writePreKey(key *keys.PreKey) []byte {
	return append(binary.BigEndian.AppendUint32(nil, key.KeyID), key.Priv[:]...)
}

func readPreKey(raw []byte) (*keys.PreKey, error) {
	if len(raw) != 4+32 {
		return nil, errLength
	}
	return &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey([32]byte(raw[4:])), KeyID: binary.BigEndian.Uint32(raw)}, nil
}

// GetPreKey returns a key, or nil.
func (v *vault) GetPreKey(ctx context.Context, id uint32) (*keys.PreKey, error) {
	values, err := v.load(ctx, preKeyName(upKeyName, id), preKeyName(newKeyName, id))
	if err != nil {
		return nil, err
	}
	for _, raw := range values {
		if raw != nil {
			return readPreKey(raw)
		}
	}
	return nil, nil
}

// RemovePreKey forgets a key that was used.
func (v *vault) RemovePreKey(ctx context.Context, id uint32) error {
	return v.drop(ctx, preKeyName(upKeyName, id), preKeyName(newKeyName, id))
}

// MarkPreKeysAsUploaded notes that the network has the keys up to a number.
func (v *vault) MarkPreKeysAsUploaded(ctx context.Context, upTo uint32) error {
	v.prekeys.Lock()
	defer v.prekeys.Unlock()
	there, err := v.list(ctx, newKeyName)
	if err != nil {
		return err
	}
	var kept []channel.Kept
	for _, k := range there {
		if number := strings.TrimPrefix(k.Name, newKeyName); k.Name <= preKeyName(newKeyName, upTo) {
			kept = append(kept, channel.Kept{Name: k.Name}, channel.Kept{Name: upKeyName + number, Value: k.Value})
		}
	}
	return v.save(ctx, kept...)
}

// UploadedPreKeyCount is how many keys the network may have.
func (v *vault) UploadedPreKeyCount(ctx context.Context) (n int, err error) {
	err = v.try(ctx, func() (err error) {
		n, err = v.state.Count(ctx, upKeyName)
		return err
	})
	return n, err
}

var _ store.AllStores = (*vault)(nil)
