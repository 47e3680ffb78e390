package whatsapp

import (
	"bytes"
	"compress/zlib"
	"slices"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

// Conversation is what a phone wrote with somebody before it linked a device.
type Conversation struct {
	With     string // a number
	Messages []PastMessage
}

// PastMessage is a message of a conversation, oldest first.
type PastMessage struct {
	ID      string
	Mine    bool // the phone sent it
	Time    time.Time
	Content *waE2E.Message
}

// Remember adds a conversation of the past. The devices that the phone links later get it, in two parts as from a real one.
func (p *Phone) Remember(c Conversation) { p.set(func() { p.past = append(p.past, c) }) }

// sendPast gives a device the conversations that were before it.
func (p *Phone) sendPast(d *Device) {
	s := p.server
	s.mu.Lock()
	conversations, names := p.pastConversations(0, nil), p.pastNames()
	s.mu.Unlock()
	p.sendSync(d, &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_PUSH_NAME.Enum(), Pushnames: names, ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100),
	}, waE2E.HistorySyncType_PUSH_NAME, "")
	if len(conversations) == 0 {
		return
	}
	p.sendSync(d, &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_INITIAL_BOOTSTRAP.Enum(), Conversations: conversations, ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100),
	}, waE2E.HistorySyncType_INITIAL_BOOTSTRAP, "")
}

// pastNames is the names of those the phone wrote with. The caller holds the server's lock.
func (p *Phone) pastNames() []*waHistorySync.Pushname {
	var names []*waHistorySync.Pushname
	for _, c := range p.past {
		other := p.server.person(c.With)
		names = append(names, &waHistorySync.Pushname{ID: proto.String(other.numbered().String()), Pushname: proto.String(other.name)})
	}
	return names
}

// pastConversations is the past as a sync holds it: all of it, or what was before one message of a conversation. The caller holds
// the server's lock.
func (p *Phone) pastConversations(most int, before *waE2E.PeerDataOperationRequestMessage_HistorySyncOnDemandRequest) []*waHistorySync.Conversation {
	var all []*waHistorySync.Conversation
	for _, c := range p.past {
		other := p.server.person(c.With)
		messages := c.Messages
		if before != nil {
			chat, err := types.ParseJID(before.GetChatJID())
			if err != nil || !other.is(chat) {
				continue
			}
			if i := slices.IndexFunc(messages, func(m PastMessage) bool { return m.ID == before.GetOldestMsgID() }); i >= 0 {
				messages = messages[max(0, i-most):i]
			}
		}
		conversation := &waHistorySync.Conversation{
			ID: proto.String(other.lid.String()), PnJID: proto.String(other.numbered().String()), LidJID: proto.String(other.lid.String()),
			Name: orNil(p.names[other]),
		}
		for _, m := range slices.Backward(messages) { // newest first, as the service has it
			conversation.Messages = append(conversation.Messages, &waHistorySync.HistorySyncMsg{Message: webMessage(other.lid, "", other.name, m)})
			conversation.ConversationTimestamp = proto.Uint64(max(conversation.GetConversationTimestamp(), uint64(m.Time.Unix())))
		}
		all = append(all, conversation)
	}
	return all
}

func webMessage(chat types.JID, participant, name string, m PastMessage) *waWeb.WebMessageInfo {
	web := &waWeb.WebMessageInfo{
		Key:     &waCommon.MessageKey{RemoteJID: proto.String(chat.String()), FromMe: proto.Bool(m.Mine), ID: proto.String(m.ID), Participant: orNil(participant)},
		Message: m.Content, MessageTimestamp: proto.Uint64(uint64(m.Time.Unix())), Participant: orNil(participant),
		MessageSecret: m.Content.GetMessageContextInfo().GetMessageSecret(),
	}
	if !m.Mine {
		web.PushName = proto.String(name)
	}
	return web
}

// sendSync uploads a piece of history and tells the device where it is.
func (p *Phone) sendSync(d *Device, h *waHistorySync.HistorySync, kind waE2E.HistorySyncType, request string) {
	s := p.server
	raw, err := proto.Marshal(h)
	if err != nil {
		s.config.Log.Error("write history", "error", err)
		return
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(raw) // a buffer takes all
	_ = z.Close()
	a, err := s.attach(packed.Bytes(), whatsmeow.MediaHistory)
	if err != nil {
		s.config.Log.Error("upload history", "error", err)
		return
	}
	p.instruct(d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_HISTORY_SYNC_NOTIFICATION.Enum(),
		HistorySyncNotification: &waE2E.HistorySyncNotification{
			FileSHA256: a.sum, FileLength: &a.size, MediaKey: a.key, FileEncSHA256: a.sealed, DirectPath: &a.path, SyncType: kind.Enum(),
			ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100), PeerDataRequestSessionID: orNil(request),
		},
	})
}

// operate answers what a device asks the phone's data for: older messages, or one that it could not read.
func (p *Phone) operate(d *Device, request *waE2E.PeerDataOperationRequestMessage) {
	switch request.GetPeerDataOperationRequestType() {
	case waE2E.PeerDataOperationRequestType_HISTORY_SYNC_ON_DEMAND:
		before := request.GetHistorySyncOnDemandRequest()
		p.server.mu.Lock()
		conversations := p.pastConversations(int(before.GetOnDemandMsgCount()), before)
		p.server.mu.Unlock()
		p.sendSync(d, &waHistorySync.HistorySync{
			SyncType: waHistorySync.HistorySync_ON_DEMAND.Enum(), Conversations: conversations, ChunkOrder: proto.Uint32(1), Progress: proto.Uint32(100),
		}, waE2E.HistorySyncType_ON_DEMAND, "on-demand")
	case waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND:
		for _, wanted := range request.GetPlaceholderMessageResendRequest() {
			p.showAgain(d, wanted.GetMessageKey())
		}
	}
}

// showAgain gives a device the phone's own copy of a message.
func (p *Phone) showAgain(d *Device, key *waCommon.MessageKey) {
	s := p.server
	s.mu.Lock()
	i := slices.IndexFunc(p.received, func(m Message) bool { return m.ID == key.GetID() })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	m := p.received[i]
	other := s.person(m.From)
	chat, participant := other.lid, ""
	if m.Group != "" {
		chat, participant = s.groupNamed(m.Group).JID(), other.lid.String()
	}
	name := other.name
	s.mu.Unlock()
	raw, err := proto.Marshal(webMessage(chat, participant, name, PastMessage{ID: m.ID, Time: m.Time, Content: m.Content}))
	if err != nil {
		s.config.Log.Error("write a message", "error", err)
		return
	}
	p.instruct(d, &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE.Enum(),
		PeerDataOperationRequestResponseMessage: &waE2E.PeerDataOperationRequestResponseMessage{
			PeerDataOperationRequestType: waE2E.PeerDataOperationRequestType_PLACEHOLDER_MESSAGE_RESEND.Enum(),
			PeerDataOperationResult: []*waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult{{
				PlaceholderMessageResendResponse: &waE2E.PeerDataOperationRequestResponseMessage_PeerDataOperationResult_PlaceholderMessageResendResponse{
					WebMessageInfoBytes: raw,
				},
			}},
		},
	})
}

// uploadAgain has the phone put a file on the media host that a device could not get any more.
func (s *Server) uploadAgain(d *Device, n *node) {
	p, id := d.phone, text(n, "id")
	rmr, _ := n.GetOptionalChildByTag("rmr")
	reply := node{Tag: "notification", Attrs: attrs{
		"type": "mediaretry", "from": p.lid, "id": id, "t": stamp(time.Now()),
	}, Content: []node{{Tag: "error", Attrs: attrs{"code": "2"}}, rmr}}
	s.mu.Lock()
	media := p.mediaOf(id)
	s.mu.Unlock()
	if media != nil {
		if sealed, err := s.restore(id, media); err == nil {
			reply.Content = []node{sealed, rmr}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.enqueue(reply)
}

// mediaOf finds a file's message among what the phone has received. The caller holds the server's lock.
func (p *Phone) mediaOf(id string) whatsmeow.DownloadableMessage {
	for _, m := range p.received {
		if m.ID == id {
			return Media(m.Content)
		}
	}
	for _, c := range p.past {
		for _, m := range c.Messages {
			if m.ID == id {
				return Media(m.Content)
			}
		}
	}
	return nil
}

// restore puts a file back on the media host under a new path, and seals that for the device.
func (s *Server) restore(id string, media whatsmeow.DownloadableMessage) (node, error) {
	path, err := s.media.revive(media.GetDirectPath())
	if err != nil {
		return node{}, err
	}
	plain, err := proto.Marshal(&waMmsRetry.MediaRetryNotification{
		StanzaID: proto.String(id), DirectPath: proto.String(path), Result: waMmsRetry.MediaRetryNotification_SUCCESS.Enum(),
	})
	if err != nil {
		return node{}, err
	}
	iv := random(12)
	key := hkdfutil.SHA256(media.GetMediaKey(), nil, []byte("WhatsApp Media Retry Notification"), 32)
	sealed, err := gcmutil.Encrypt(key, iv, plain, []byte(id))
	if err != nil {
		return node{}, err
	}
	return node{Tag: "encrypt", Content: []node{{Tag: "enc_p", Content: sealed}, {Tag: "enc_iv", Content: iv}}}, nil
}
