package whatsapp

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
)

// The names of what the library remembers of messages, people and settings.
const (
	syncKeyName   = "synckey/"
	syncName      = "sync/"
	syncMACName   = "syncmac/"
	contactName   = "contact/"
	chatName      = "chat/"
	secretName    = "secret/"
	tokenName     = "token/"
	saltName      = "salt"
	eventName     = "event/"
	outgoingName  = "outgoing/"
	numberOfName  = "number/" // of a linked id
	linkedOfName  = "linked/" // of a number
	eventsLive    = 14 * 24 * time.Hour
	outgoingLives = 7 * 24 * time.Hour
	secretsLive   = 90 * 24 * time.Hour
)

// PutAppStateSyncKey keeps a key of the synchronised settings, unless there is a newer one of the name.
func (v *vault) PutAppStateSyncKey(ctx context.Context, id []byte, key store.AppStateSyncKey) error {
	old, err := v.GetAppStateSyncKey(ctx, id)
	if err != nil || old != nil && old.Timestamp >= key.Timestamp {
		return err
	}
	return v.putJSON(ctx, syncKeyName+hex.EncodeToString(id), key)
}

// GetAppStateSyncKey returns a key, or nil.
func (v *vault) GetAppStateSyncKey(ctx context.Context, id []byte) (*store.AppStateSyncKey, error) {
	key := new(store.AppStateSyncKey)
	if there, err := v.getJSON(ctx, syncKeyName+hex.EncodeToString(id), key); !there {
		return nil, err
	}
	return key, nil
}

type syncKey struct {
	id []byte
	store.AppStateSyncKey
}

// syncKeys lists the keys, the newest first.
func (v *vault) syncKeys(ctx context.Context) ([]syncKey, error) {
	all, err := v.list(ctx, syncKeyName)
	if err != nil {
		return nil, err
	}
	list := make([]syncKey, len(all))
	for i, k := range all {
		if list[i].id, err = hex.DecodeString(k.Name[len(syncKeyName):]); err == nil {
			err = json.Unmarshal(k.Value, &list[i].AppStateSyncKey)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b syncKey) int { return int(b.Timestamp - a.Timestamp) })
	return list, nil
}

// GetLatestAppStateSyncKeyID names the newest key.
func (v *vault) GetLatestAppStateSyncKeyID(ctx context.Context) ([]byte, error) {
	list, err := v.syncKeys(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0].id, nil
}

// GetAllAppStateSyncKeys returns all keys, the newest first.
func (v *vault) GetAllAppStateSyncKeys(ctx context.Context) ([]*store.AppStateSyncKey, error) {
	list, err := v.syncKeys(ctx)
	all := make([]*store.AppStateSyncKey, len(list))
	for i := range list {
		all[i] = &list[i].AppStateSyncKey
	}
	return all, err
}

type syncVersion struct {
	Version uint64
	Hash    []byte
}

// PutAppStateVersion keeps how far a collection of settings is known.
func (v *vault) PutAppStateVersion(ctx context.Context, name string, version uint64, hash [128]byte) error {
	return v.putJSON(ctx, syncName+name, syncVersion{version, hash[:]})
}

// GetAppStateVersion returns how far a collection of settings is known.
func (v *vault) GetAppStateVersion(ctx context.Context, name string) (version uint64, hash [128]byte, err error) {
	var kept syncVersion
	there, err := v.getJSON(ctx, syncName+name, &kept)
	if err != nil || !there {
		return 0, hash, err
	}
	if copy(hash[:], kept.Hash) != len(hash) {
		return 0, hash, errLength
	}
	return kept.Version, hash, nil
}

// DeleteAppStateVersion forgets a collection.
func (v *vault) DeleteAppStateVersion(ctx context.Context, name string) error {
	if err := v.dropAll(ctx, syncMACName+name+"/"); err != nil {
		return err
	}
	return v.drop(ctx, syncName+name)
}

func macName(name string, index []byte) string {
	return syncMACName + name + "/" + hex.EncodeToString(index)
}

// PutAppStateMutationMACs keeps by what a collection is checked.
func (v *vault) PutAppStateMutationMACs(ctx context.Context, name string, _ uint64, mutations []store.AppStateMutationMAC) error {
	kept := make([]channel.Kept, len(mutations))
	for i, m := range mutations {
		kept[i] = channel.Kept{Name: macName(name, m.IndexMAC), Value: m.ValueMAC}
	}
	return v.save(ctx, kept...)
}

// DeleteAppStateMutationMACs forgets some of it.
func (v *vault) DeleteAppStateMutationMACs(ctx context.Context, name string, indexes [][]byte) error {
	names := make([]string, len(indexes))
	for i, index := range indexes {
		names[i] = macName(name, index)
	}
	return v.drop(ctx, names...)
}

// GetAppStateMutationMAC returns one of them, or nil.
func (v *vault) GetAppStateMutationMAC(ctx context.Context, name string, index []byte) ([]byte, error) {
	return v.get(ctx, macName(name, index))
}

// contact changes what is known of somebody, and returns what it was. What says the same is not written.
func (v *vault) contact(ctx context.Context, user types.JID, change func(*types.ContactInfo)) (old types.ContactInfo, changed bool, err error) {
	if old, err = v.GetContact(ctx, user); err != nil {
		return old, false, err
	}
	now := old
	if change(&now); now == old {
		return old, false, nil
	}
	now.Found = true
	return old, true, v.putJSON(ctx, contactName+user.String(), now)
}

// PutPushName keeps how somebody calls himself.
func (v *vault) PutPushName(ctx context.Context, user types.JID, name string) (changed bool, before string, err error) {
	old, changed, err := v.contact(ctx, user, func(c *types.ContactInfo) { c.PushName = name })
	return changed, old.PushName, err
}

// PutBusinessName keeps the verified name of a business.
func (v *vault) PutBusinessName(ctx context.Context, user types.JID, name string) (changed bool, before string, err error) {
	old, changed, err := v.contact(ctx, user, func(c *types.ContactInfo) { c.BusinessName = name })
	return changed, old.BusinessName, err
}

// PutContactName keeps how somebody is called in the phone's address book.
func (v *vault) PutContactName(ctx context.Context, user types.JID, full, first string) error {
	_, _, err := v.contact(ctx, user, func(c *types.ContactInfo) { c.FullName, c.FirstName = full, first })
	return err
}

// PutAllContactNames keeps a whole address book.
func (v *vault) PutAllContactNames(ctx context.Context, contacts []store.ContactEntry) error {
	return v.together(ctx, func(ctx context.Context) error {
		for _, c := range contacts {
			if err := v.PutContactName(ctx, c.JID, c.FullName, c.FirstName); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutManyRedactedPhones keeps what is seen of the numbers of members of groups.
func (v *vault) PutManyRedactedPhones(ctx context.Context, entries []store.RedactedPhoneEntry) error {
	return v.together(ctx, func(ctx context.Context) error {
		for _, e := range entries {
			if _, _, err := v.contact(ctx, e.JID, func(c *types.ContactInfo) { c.RedactedPhone = e.RedactedPhone }); err != nil {
				return err
			}
		}
		return nil
	})
}

// GetContact returns what is known of somebody.
func (v *vault) GetContact(ctx context.Context, user types.JID) (c types.ContactInfo, err error) {
	_, err = v.getJSON(ctx, contactName+user.String(), &c)
	return c, err
}

// GetAllContacts returns everybody who is known.
func (v *vault) GetAllContacts(ctx context.Context) (map[types.JID]types.ContactInfo, error) {
	all, err := v.list(ctx, contactName)
	if err != nil {
		return nil, err
	}
	contacts := make(map[types.JID]types.ContactInfo, len(all))
	for _, k := range all {
		var c types.ContactInfo
		jid, err := types.ParseJID(k.Name[len(contactName):])
		if err == nil {
			err = json.Unmarshal(k.Value, &c)
		}
		if err != nil {
			return nil, err
		}
		contacts[jid] = c
	}
	return contacts, nil
}

func (v *vault) chat(ctx context.Context, chat types.JID, change func(*types.LocalChatSettings)) error {
	settings, err := v.GetChatSettings(ctx, chat)
	if err != nil {
		return err
	}
	settings.Found = true
	change(&settings)
	return v.putJSON(ctx, chatName+chat.String(), settings)
}

// PutMutedUntil keeps that a chat is mute.
func (v *vault) PutMutedUntil(ctx context.Context, chat types.JID, until time.Time) error {
	return v.chat(ctx, chat, func(s *types.LocalChatSettings) { s.MutedUntil = until })
}

// PutPinned keeps that a chat is pinned.
func (v *vault) PutPinned(ctx context.Context, chat types.JID, pinned bool) error {
	return v.chat(ctx, chat, func(s *types.LocalChatSettings) { s.Pinned = pinned })
}

// PutArchived keeps that a chat is archived.
func (v *vault) PutArchived(ctx context.Context, chat types.JID, archived bool) error {
	return v.chat(ctx, chat, func(s *types.LocalChatSettings) { s.Archived = archived })
}

// GetChatSettings returns the phone's settings of a chat.
func (v *vault) GetChatSettings(ctx context.Context, chat types.JID) (s types.LocalChatSettings, err error) {
	_, err = v.getJSON(ctx, chatName+chat.String(), &s)
	return s, err
}

func secretOf(chat, sender types.JID, id types.MessageID) string {
	return secretName + id + "/" + chat.ToNonAD().String() + "/" + sender.ToNonAD().String()
}

// PutMessageSecrets keeps with what votes, reactions and edits of messages are encrypted.
func (v *vault) PutMessageSecrets(ctx context.Context, secrets []store.MessageSecretInsert) error {
	kept := make([]channel.Kept, len(secrets))
	for i, s := range secrets {
		kept[i] = channel.Kept{Name: secretOf(s.Chat, s.Sender, s.ID), Value: s.Secret, Until: time.Now().Add(secretsLive)}
	}
	return v.save(ctx, kept...)
}

// PutMessageSecret keeps one of them.
func (v *vault) PutMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID, secret []byte) error {
	return v.PutMessageSecrets(ctx, []store.MessageSecretInsert{{Chat: chat, Sender: sender, ID: id, Secret: secret}})
}

// GetMessageSecret returns one of them with the sender's name as it was kept: chat and sender may go by either of their names.
func (v *vault) GetMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID) ([]byte, types.JID, error) {
	chats, err := v.namesOf(ctx, chat)
	if err != nil {
		return nil, types.EmptyJID, err
	}
	senders, err := v.namesOf(ctx, sender)
	if err != nil {
		return nil, types.EmptyJID, err
	}
	for _, c := range chats {
		for _, s := range senders {
			secret, err := v.get(ctx, secretOf(c, s, id))
			if err != nil || secret != nil {
				return secret, s, err
			}
		}
	}
	return nil, types.EmptyJID, nil
}

// namesOf are somebody's names: the one he is asked by, and the other if it is known.
func (v *vault) namesOf(ctx context.Context, jid types.JID) ([]types.JID, error) {
	jid = jid.ToNonAD()
	other, err := v.otherName(ctx, jid)
	if err != nil || other.IsEmpty() {
		return []types.JID{jid}, err
	}
	return []types.JID{jid, other}, nil
}

// otherName is somebody's number for a linked id, and the other way round; empty while it is not known.
func (v *vault) otherName(ctx context.Context, jid types.JID) (types.JID, error) {
	switch jid.Server {
	case types.DefaultUserServer:
		return v.GetLIDForPN(ctx, jid)
	case types.HiddenUserServer:
		return v.GetPNForLID(ctx, jid)
	default:
		return types.EmptyJID, nil
	}
}

// PutPrivacyTokens keeps by what people let us write to them.
func (v *vault) PutPrivacyTokens(ctx context.Context, tokens ...store.PrivacyToken) error {
	return v.together(ctx, func(ctx context.Context) error {
		for _, t := range tokens {
			var old store.PrivacyToken
			name := tokenName + t.User.ToNonAD().String()
			there, err := v.getJSON(ctx, name, &old)
			if err != nil {
				return err
			}
			if there && t.Timestamp.Before(old.Timestamp) {
				continue
			}
			if t.SenderTimestamp.IsZero() {
				t.SenderTimestamp = old.SenderTimestamp
			}
			if err := v.putJSON(ctx, name, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// GetPrivacyToken returns somebody's newest token, by whichever of his names, or nil.
func (v *vault) GetPrivacyToken(ctx context.Context, user types.JID) (*store.PrivacyToken, error) {
	names, err := v.namesOf(ctx, user)
	if err != nil {
		return nil, err
	}
	var newest *store.PrivacyToken
	for _, jid := range names {
		token := new(store.PrivacyToken)
		there, err := v.getJSON(ctx, tokenName+jid.String(), token)
		if err != nil {
			return nil, err
		}
		if there && (newest == nil || token.Timestamp.After(newest.Timestamp)) {
			newest = token
		}
	}
	return newest, nil
}

// DeleteExpiredPrivacyTokens forgets tokens that are older.
func (v *vault) DeleteExpiredPrivacyTokens(ctx context.Context, cutoff time.Time) (int64, error) {
	all, err := v.list(ctx, tokenName)
	if err != nil {
		return 0, err
	}
	var old []string
	for _, k := range all {
		var t store.PrivacyToken
		if json.Unmarshal(k.Value, &t) != nil || t.Timestamp.Before(cutoff) {
			old = append(old, k.Name)
		}
	}
	return int64(len(old)), v.drop(ctx, old...)
}

// PutNCTSalt keeps the salt of tokens for people who gave none.
func (v *vault) PutNCTSalt(ctx context.Context, salt []byte) error { return v.put(ctx, saltName, salt) }

// GetNCTSalt returns the salt, or nil.
func (v *vault) GetNCTSalt(ctx context.Context) ([]byte, error) { return v.get(ctx, saltName) }

// DeleteNCTSalt forgets the salt.
func (v *vault) DeleteNCTSalt(ctx context.Context) error { return v.drop(ctx, saltName) }

func eventOf(hash [32]byte) string { return eventName + hex.EncodeToString(hash[:]) }

// GetBufferedEvent returns what a ciphertext said that was decrypted before: nothing more once it was taken.
func (v *vault) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	e := new(store.BufferedEvent)
	if there, err := v.getJSON(ctx, eventOf(hash), e); !there {
		return nil, err
	}
	return e, nil
}

// PutBufferedEvent keeps what a ciphertext says, since it can be decrypted once only.
func (v *vault) PutBufferedEvent(ctx context.Context, hash [32]byte, plaintext []byte, at time.Time) error {
	return v.putEvent(ctx, hash, store.BufferedEvent{Plaintext: plaintext, InsertTime: time.Now(), ServerTime: at})
}

func (v *vault) putEvent(ctx context.Context, hash [32]byte, e store.BufferedEvent) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return v.save(ctx, channel.Kept{Name: eventOf(hash), Value: raw, Until: e.InsertTime.Add(eventsLive)})
}

// DoDecryptionTxn has the plaintext be on disk together with the ratchets that have moved past it.
func (v *vault) DoDecryptionTxn(ctx context.Context, do func(context.Context) error) error {
	return v.together(ctx, do)
}

// ClearBufferedEventPlaintext notes that a message was taken.
func (v *vault) ClearBufferedEventPlaintext(ctx context.Context, hash [32]byte) error {
	return v.putEvent(ctx, hash, store.BufferedEvent{InsertTime: time.Now()})
}

// DeleteOldBufferedHashes has nothing to do: they expire.
func (v *vault) DeleteOldBufferedHashes(context.Context) error { return nil }

var errNotKept = errors.New("the message is not kept any more")

// outgoing is a message that left, for a recipient who could not decrypt it and asks again.
type outgoing struct {
	Format    string
	Plaintext []byte
}

// AddOutgoingEvent keeps a message that is about to leave.
func (v *vault) AddOutgoingEvent(ctx context.Context, chat types.JID, id types.MessageID, format string, plaintext []byte) error {
	raw, err := json.Marshal(outgoing{format, plaintext})
	if err != nil {
		return err
	}
	return v.save(ctx, channel.Kept{Name: outgoingName + id + "/" + chat.String(), Value: raw, Until: time.Now().Add(outgoingLives)})
}

// GetOutgoingEvent returns a message that left, by either name of its chat.
func (v *vault) GetOutgoingEvent(ctx context.Context, chat, alt types.JID, id types.MessageID) (string, []byte, error) {
	for _, jid := range []types.JID{chat, alt} {
		var o outgoing
		there, err := v.getJSON(ctx, outgoingName+id+"/"+jid.String(), &o)
		if err != nil || there {
			return o.Format, o.Plaintext, err
		}
	}
	return "", nil, errNotKept
}

// DeleteOldOutgoingEvents has nothing to do: they expire.
func (v *vault) DeleteOldOutgoingEvents(context.Context) error { return nil }

// PutLIDMapping keeps that a linked id and a number are one person's, if that is news.
func (v *vault) PutLIDMapping(ctx context.Context, lid, pn types.JID) error {
	if lid.Server != types.HiddenUserServer || pn.Server != types.DefaultUserServer {
		return errors.New("a linked id and a number are needed")
	}
	known, err := v.load(ctx, linkedOfName+pn.User, numberOfName+lid.User)
	if err != nil || string(known[0]) == lid.User && string(known[1]) == pn.User {
		return err
	}
	return v.save(ctx,
		channel.Kept{Name: linkedOfName + pn.User, Value: []byte(lid.User)},
		channel.Kept{Name: numberOfName + lid.User, Value: []byte(pn.User)},
	)
}

// PutManyLIDMappings keeps several of them.
func (v *vault) PutManyLIDMappings(ctx context.Context, mappings []store.LIDMapping) error {
	return v.together(ctx, func(ctx context.Context) error {
		for _, m := range mappings {
			if m.LID.Server != types.HiddenUserServer || m.PN.Server != types.DefaultUserServer {
				continue
			}
			if err := v.PutLIDMapping(ctx, m.LID, m.PN); err != nil {
				return err
			}
		}
		return nil
	})
}

// GetPNForLID returns the number of a linked id, or none.
func (v *vault) GetPNForLID(ctx context.Context, lid types.JID) (types.JID, error) {
	return v.mapped(ctx, numberOfName, lid, types.DefaultUserServer)
}

// GetLIDForPN returns the linked id of a number, or none.
func (v *vault) GetLIDForPN(ctx context.Context, pn types.JID) (types.JID, error) {
	return v.mapped(ctx, linkedOfName, pn, types.HiddenUserServer)
}

func (v *vault) mapped(ctx context.Context, name string, jid types.JID, server string) (types.JID, error) {
	user, err := v.get(ctx, name+jid.User)
	if err != nil || len(user) == 0 {
		return types.EmptyJID, err
	}
	return types.JID{User: string(user), Device: jid.Device, Server: server}, nil
}

// GetManyLIDsForPNs returns the linked ids of numbers, as far as they are known.
func (v *vault) GetManyLIDsForPNs(ctx context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	names := make([]string, len(pns))
	for i, pn := range pns {
		names[i] = linkedOfName + pn.User
	}
	values, err := v.load(ctx, names...)
	if err != nil {
		return nil, err
	}
	found := map[types.JID]types.JID{}
	for i, pn := range pns {
		if len(values[i]) > 0 && pn.Server == types.DefaultUserServer {
			found[pn] = types.JID{User: string(values[i]), Device: pn.Device, Server: types.HiddenUserServer}
		}
	}
	return found, nil
}
