package whatsapp

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waServerSync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
)

// appState is what an account's devices share, such as its push name and its contacts: encrypted patches that the server keeps in
// order without reading them, and the phone, which can. The phone's signal lock guards it.
type appState struct {
	keyID     []byte
	key       []byte
	processor *appstate.Processor
	memory    *stateMemory
	patches   map[appstate.WAPatchName][][]byte
	mutations []appstate.Mutation // of linked devices
}

// shared is the account's app state, made when it is first needed. The caller holds the signal lock.
func (p *Phone) shared() *appState {
	if p.state != nil {
		return p.state
	}
	st := &appState{
		keyID: random(6), key: random(32), memory: newStateMemory(), patches: map[appstate.WAPatchName][][]byte{},
	}
	st.memory.keyID, st.memory.key = st.keyID, store.AppStateSyncKey{Data: st.key, Timestamp: time.Now().UnixMilli()}
	st.processor = appstate.NewProcessor(&store.Device{AppStateKeys: st.memory, AppState: st.memory}, waLog.Noop)
	p.state = st
	return st
}

// pushName shares the phone's name with its linked devices.
func (p *Phone) pushName(name string) {
	p.patch(appstate.BuildSettingPushName(name))
}

// Contact names another number in the phone's address book, and tells its linked devices.
func (p *Phone) Contact(number, name string) {
	s := p.server
	s.mu.Lock()
	other := s.person(number)
	p.names[other] = name
	lid, named := other.lid, other.numbered()
	s.mu.Unlock()
	p.patch(contactPatch(named, lid, name))
}

// patch adds to the app state and tells the linked devices.
func (p *Phone) patch(info appstate.PatchInfo) {
	p.signal.Lock()
	defer p.signal.Unlock()
	st := p.shared()
	raw, err := st.processor.EncodePatch(context.Background(), st.keyID, st.memory.states[string(info.Type)], info)
	if err == nil {
		err = st.apply(info.Type, raw, false)
	}
	if err != nil {
		p.server.config.Log.Error("share app state", "error", err)
		return
	}
	p.synced(info.Type, nil)
}

// apply checks a patch, takes it in and keeps it.
func (st *appState) apply(name appstate.WAPatchName, raw []byte, ofDevice bool) error {
	patch := &waServerSync.SyncdPatch{}
	if err := proto.Unmarshal(raw, patch); err != nil {
		return err
	}
	state := st.memory.states[string(name)]
	patch.Version = &waServerSync.SyncdVersion{Version: proto.Uint64(state.Version + 1)}
	kept, err := proto.Marshal(patch) // before it is decrypted in place
	if err != nil {
		return err
	}
	list := &appstate.PatchList{Name: name, Patches: []*waServerSync.SyncdPatch{patch}}
	mutations, _, err := st.processor.DecodePatches(context.Background(), list, state, true)
	if err != nil {
		return err
	}
	st.patches[name] = append(st.patches[name], kept)
	if ofDevice {
		st.mutations = append(st.mutations, mutations...)
	}
	return nil
}

// synced tells the linked devices, but the one that did it, that the app state has changed. The caller holds the signal lock.
func (p *Phone) synced(name appstate.WAPatchName, by *Device) {
	version := strconv.Itoa(len(p.state.patches[name]))
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range p.linked() {
		if d != by && d.keyed {
			d.enqueue(node{Tag: "notification", Attrs: attrs{
				"type": "server_sync", "from": p.lid, "id": s.stanzaID(), "t": stamp(time.Now()),
			}, Content: []node{{Tag: "collection", Attrs: attrs{"name": string(name), "version": version}}}})
		}
	}
	p.tell()
}

// Mutations is what linked devices have changed in the app state, as the phone reads it: the parts of each index.
func (p *Phone) Mutations() [][]string {
	p.signal.Lock()
	defer p.signal.Unlock()
	var all [][]string
	for _, m := range p.shared().mutations {
		all = append(all, m.Index)
	}
	return all
}

// syncState gives a device the patches it does not have, and takes its own.
func (p *Phone) syncState(d *Device, n *node) answer {
	p.signal.Lock()
	defer p.signal.Unlock()
	st := p.shared()
	sync := n.GetChildByTag("sync")
	var collections []node
	for _, wanted := range sync.GetChildrenByTag("collection") {
		collections = append(collections, p.syncCollection(st, d, &wanted))
	}
	return result(node{Tag: "sync", Content: collections})
}

func (p *Phone) syncCollection(st *appState, d *Device, wanted *node) node {
	name := appstate.WAPatchName(text(wanted, "name"))
	from, _ := strconv.Atoi(text(wanted, "version"))
	patches := st.patches[name]
	answer := node{Tag: "collection", Attrs: attrs{"name": string(name), "version": strconv.Itoa(len(patches))}}
	if raw := octets(wanted, "patch"); raw != nil {
		if from != len(patches) {
			answer.Attrs["type"] = "error"
			answer.Content = []node{{Tag: "error", Attrs: attrs{"code": "409", "text": "conflict"}}, patchNodes(patches, from)}
			return answer
		}
		if err := st.apply(name, raw, true); err != nil {
			answer.Attrs["type"] = "error"
			answer.Content = []node{{Tag: "error", Attrs: attrs{"code": "400", "text": err.Error()}}}
			return answer
		}
		p.synced(name, d)
		answer.Attrs["version"] = strconv.Itoa(len(st.patches[name]))
		return answer
	}
	answer.Content = []node{patchNodes(patches, from)}
	return answer
}

func patchNodes(patches [][]byte, from int) node {
	list := node{Tag: "patches"}
	var nodes []node
	for _, raw := range patches[min(max(from, 0), len(patches)):] {
		nodes = append(nodes, node{Tag: "patch", Content: raw})
	}
	list.Content = nodes
	return list
}

// greet tells a new device what it needs: the key of the app state with what is shared, and what was written before.
func (p *Phone) greet(d *Device) {
	p.catch(func() {
		p.settings()
		p.shareKey(d)
		p.sendPast(d)
	})
}

// settings begins each collection of the app state, as a telephone has when it links its first device. A client takes the first
// patch of a collection for its past, and tells nobody of what is in it.
func (p *Phone) settings() {
	p.server.mu.Lock()
	name, own := p.name, p.numbered()
	p.server.mu.Unlock()
	first := []appstate.PatchInfo{
		appstate.BuildSettingPushName(name), contactPatch(own, p.lid, name),
		setting(appstate.WAPatchRegularLow, appstate.IndexSettingUnarchiveChats, 4, &waSyncAction.SyncActionValue{
			UnarchiveChatsSetting: &waSyncAction.UnarchiveChatsSetting{UnarchiveChats: proto.Bool(true)},
		}),
		setting(appstate.WAPatchRegular, appstate.IndexPrimaryFeature, 7, &waSyncAction.SyncActionValue{
			PrimaryFeature: &waSyncAction.PrimaryFeature{Flags: []string{"simulated"}},
		}),
		appstate.BuildMute(types.PSAJID, false, 0),
	}
	for _, patch := range first {
		p.signal.Lock()
		begun := len(p.shared().patches[patch.Type]) > 0
		p.signal.Unlock()
		if !begun {
			p.patch(patch)
		}
	}
}

func setting(kind appstate.WAPatchName, index string, version int32, value *waSyncAction.SyncActionValue) appstate.PatchInfo {
	return appstate.PatchInfo{Type: kind, Mutations: []appstate.MutationInfo{{Index: []string{index}, Version: version, Value: value}}}
}

// contactPatch names somebody in the address book.
func contactPatch(number, lid types.JID, name string) appstate.PatchInfo {
	return appstate.PatchInfo{Type: appstate.WAPatchCriticalUnblockLow, Mutations: []appstate.MutationInfo{{
		Index: []string{appstate.IndexContact, number.String()}, Version: 2,
		Value: &waSyncAction.SyncActionValue{ContactAction: &waSyncAction.ContactAction{
			FullName: proto.String(name), FirstName: proto.String(name), LidJID: proto.String(lid.String()),
		}},
	}}}
}

// shareKey gives a device the key of the app state.
func (p *Phone) shareKey(d *Device) {
	p.signal.Lock()
	st := p.shared()
	p.server.mu.Lock()
	d.keyed = true
	p.server.mu.Unlock()
	share := &waE2E.AppStateSyncKeyShare{Keys: []*waE2E.AppStateSyncKey{{
		KeyID: &waE2E.AppStateSyncKeyId{KeyID: st.keyID},
		KeyData: &waE2E.AppStateSyncKeyData{
			KeyData: st.key, Timestamp: proto.Int64(st.memory.key.Timestamp), Fingerprint: &waE2E.AppStateSyncKeyFingerprint{
				RawID: proto.Uint32(1), CurrentIndex: proto.Uint32(0), DeviceIndexes: []uint32{0, uint32(d.number)},
			},
		},
	}}}
	p.signal.Unlock()
	p.instruct(d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum(), AppStateSyncKeyShare: share,
	})
}

// instruct sends one linked device a message about its work.
func (p *Phone) instruct(d *Device, m *waE2E.ProtocolMessage) {
	p.signal.Lock()
	defer p.signal.Unlock()
	kept := &sent{id: messageID(), to: p, peer: true, time: time.Now(), content: &waE2E.Message{ProtocolMessage: m}}
	p.keep(kept)
	if err := p.queueFor([]*Device{d}, kept, false); err != nil {
		p.server.config.Log.Error("instruct a device", "error", err)
	}
}

// obey does what a linked device asks its own phone for.
func (p *Phone) obey(d *Device, m *waE2E.Message) {
	request := m.GetProtocolMessage()
	switch request.GetType() {
	case waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST:
		p.shareKey(d)
	case waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_MESSAGE:
		p.operate(d, request.GetPeerDataOperationRequestMessage())
	}
}

// stateMemory keeps the app state of an account for the library's processor.
type stateMemory struct {
	*store.NoopStore
	keyID  []byte
	key    store.AppStateSyncKey
	states map[string]appstate.HashState
	macs   map[string][]byte
}

func newStateMemory() *stateMemory {
	return &stateMemory{NoopStore: &store.NoopStore{}, states: map[string]appstate.HashState{}, macs: map[string][]byte{}}
}

// GetAppStateSyncKey finds a key.
func (m *stateMemory) GetAppStateSyncKey(_ context.Context, id []byte) (*store.AppStateSyncKey, error) {
	if !bytes.Equal(id, m.keyID) {
		return nil, fmt.Errorf("no key %x", id)
	}
	return &m.key, nil
}

// PutAppStateVersion keeps the state of a collection.
func (m *stateMemory) PutAppStateVersion(_ context.Context, name string, version uint64, hash [128]byte) error {
	m.states[name] = appstate.HashState{Version: version, Hash: hash}
	return nil
}

// GetAppStateVersion finds the state of a collection.
func (m *stateMemory) GetAppStateVersion(_ context.Context, name string) (uint64, [128]byte, error) {
	return m.states[name].Version, m.states[name].Hash, nil
}

// PutAppStateMutationMACs keeps what a later change of the same thing takes away.
func (m *stateMemory) PutAppStateMutationMACs(_ context.Context, name string, _ uint64, mutations []store.AppStateMutationMAC) error {
	for _, mutation := range mutations {
		m.macs[name+string(mutation.IndexMAC)] = mutation.ValueMAC
	}
	return nil
}

// DeleteAppStateMutationMACs forgets.
func (m *stateMemory) DeleteAppStateMutationMACs(_ context.Context, name string, indexMACs [][]byte) error {
	for _, mac := range indexMACs {
		delete(m.macs, name+string(mac))
	}
	return nil
}

// GetAppStateMutationMAC finds what is there of a thing.
func (m *stateMemory) GetAppStateMutationMAC(_ context.Context, name string, indexMAC []byte) ([]byte, error) {
	return m.macs[name+string(indexMAC)], nil
}
