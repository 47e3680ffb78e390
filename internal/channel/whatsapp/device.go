package whatsapp

import (
	"context"
	crypto "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// deviceName is the name of what a device is: who it belongs to, and its long-lived keys.
const deviceName = "device"

// kept is a device as it is kept.
type kept struct {
	Noise, Identity, SignedPreKey, Signature []byte
	SignedPreKeyID, Registration             uint32
	Adv, Account                             []byte
	ID, LID                                  types.JID
	Platform, Business, PushName, Nonce      string
	Migrated                                 int64
}

// newDevice makes the keys of a device that is about to be linked. They are kept once it is.
func newDevice(v *vault, log waLog.Logger) *store.Device {
	random := make([]byte, 36)
	_, _ = crypto.Read(random) // which never fails
	d := &store.Device{
		Log: log, NoiseKey: keys.NewKeyPair(), IdentityKey: keys.NewKeyPair(),
		RegistrationID: binary.BigEndian.Uint32(random), AdvSecretKey: random[4:], Container: v,
	}
	d.SignedPreKey = d.IdentityKey.CreateSignedPreKey(1)
	return d
}

// device loads the linked device; nil when there is none.
func (v *vault) device(ctx context.Context, log waLog.Logger) (*store.Device, error) {
	var k kept
	there, err := v.getJSON(ctx, deviceName, &k)
	if err != nil || !there {
		return nil, err
	}
	d := &store.Device{
		Log: log, RegistrationID: k.Registration, AdvSecretKey: k.Adv, ID: &k.ID, LID: k.LID, Account: new(waAdv.ADVSignedDeviceIdentity),
		Platform: k.Platform, BusinessName: k.Business, PushName: k.PushName, LIDMigrationTimestamp: k.Migrated, CompanionMetaNonce: k.Nonce,
	}
	noise, err1 := key32(k.Noise)
	identity, err2 := key32(k.Identity)
	signed, err3 := key32(k.SignedPreKey)
	err = errors.Join(err1, err2, err3, proto.Unmarshal(k.Account, d.Account))
	if err != nil || len(k.Signature) != 64 {
		return nil, fmt.Errorf("read the device: %w", errors.Join(err, errLength))
	}
	d.NoiseKey, d.IdentityKey = keys.NewKeyPairFromPrivateKey(noise), keys.NewKeyPairFromPrivateKey(identity)
	d.SignedPreKey = &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey(signed), KeyID: k.SignedPreKeyID, Signature: (*[64]byte)(k.Signature)}
	v.serves(d)
	return d, nil
}

// serves makes the vault the device's store.
func (v *vault) serves(d *store.Device) {
	d.SetAllStores(v)
	d.LIDs, d.Container, d.Initialized = v, v, true
}

// PutDevice keeps a device that was linked, or learned something about itself.
func (v *vault) PutDevice(ctx context.Context, d *store.Device) error {
	if d.ID == nil {
		return errors.New("a device that is not linked is not kept")
	}
	account, err := proto.Marshal(d.Account)
	if err != nil {
		return fmt.Errorf("keep the device: %w", err)
	}
	return v.together(ctx, func(ctx context.Context) error {
		if err := v.begin(ctx, d); err != nil {
			return err
		}
		return v.putJSON(ctx, deviceName, kept{
			Noise: d.NoiseKey.Priv[:], Identity: d.IdentityKey.Priv[:], SignedPreKey: d.SignedPreKey.Priv[:], Signature: d.SignedPreKey.Signature[:],
			SignedPreKeyID: d.SignedPreKey.KeyID, Registration: d.RegistrationID, Adv: d.AdvSecretKey, Account: account, ID: *d.ID, LID: d.LID,
			Platform: d.Platform, Business: d.BusinessName, PushName: d.PushName, Nonce: d.CompanionMetaNonce, Migrated: d.LIDMigrationTimestamp,
		})
	})
}

// begin makes room for a device that has just been linked: what an earlier one left would not fit it.
func (v *vault) begin(ctx context.Context, d *store.Device) error {
	if d.Initialized {
		return nil
	}
	v.serves(d)
	return v.dropAll(ctx, "")
}

// DeleteDevice forgets everything about a device that is linked no more. Its error says that this is done: to the library it means
// that the device is still there, so that it does not take the device's name away from those of its goroutines that still read it.
func (v *vault) DeleteDevice(ctx context.Context, _ *store.Device) error {
	v.dropping.Lock()
	defer v.dropping.Unlock()
	if err := v.try(ctx, func() error { return v.state.Clear(ctx) }); err != nil {
		return err
	}
	v.dropped = true
	return errForgotten
}

var _ store.DeviceContainer = (*vault)(nil)
