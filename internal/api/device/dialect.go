package device

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tidings.dev/internal/api"
	"tidings.dev/internal/event"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/webhook"
)

// dialect posts as the original does: without a signature, and any 2xx ends it.
type dialect struct{ core api.Core }

func newDialect(core api.Core) webhook.Dialect { return dialect{core} }

// lookTime is how long what a post needs besides its event may be looked for.
const lookTime = 5 * time.Second

// shownTime is the original's form of times.
const shownTime = "2006-01-02 15:04:05"

// eventData is what the core tells of a message, as far as the original tells of it.
type eventData struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	To      string `json:"to"`
	From    string `json:"from"`
	Chat    string `json:"chat"`
	Own     bool   `json:"own"`
	Text    string `json:"text"`
	Content *struct {
		Type  message.Type `json:"type"`
		Quote *struct{}    `json:"quote"`
		Media *struct {
			State string `json:"state"`
			MIME  string `json:"mime"`
			Name  string `json:"name"`
			URL   string `json:"url"`
		} `json:"media"`
	} `json:"content"`
}

// The posts. Their fields are sorted by name, as the original's are.
type (
	messagePost struct {
		Chat      string `json:"chat"`
		Event     string `json:"event"`
		FromMe    bool   `json:"fromMe"`
		MediaURL  string `json:"media_url,omitempty"`
		Message   string `json:"message"`
		Payload   string `json:"payload"`
		Phone     string `json:"phone"`
		PushName  string `json:"pushName"`
		RemoteJID string `json:"remoteJid"`
		Sender    string `json:"sender"`
		Text      string `json:"text"`
		To        string `json:"to"`
		Token     string `json:"token"`
		Type      string `json:"type"`
		UpdateAt  string `json:"update_at"`
	}
	receiptPost struct {
		Chat      string   `json:"chat"`
		Event     string   `json:"event"`
		IDs       []string `json:"ids"`
		Sender    string   `json:"sender"`
		Timestamp int64    `json:"timestamp"`
		Token     string   `json:"token"`
		Type      string   `json:"type"`
		UpdateAt  string   `json:"update_at"`
	}
	payload struct {
		Key              payloadKey     `json:"key"`
		MessageTimestamp int64          `json:"messageTimestamp"`
		PushName         string         `json:"pushName"`
		Broadcast        bool           `json:"broadcast"`
		Message          map[string]any `json:"message"`
	}
	payloadKey struct {
		RemoteJID string `json:"remoteJid"`
		FromMe    bool   `json:"fromMe"`
		ID        string `json:"id"`
	}
)

// types are the original's words for contents.
var types = map[message.Type]string{
	message.TypeText: "conversation", message.TypeImage: "image", message.TypeVideo: "video", message.TypeAudio: "audio", message.TypeVoice: "audio",
	message.TypeDocument: "document", message.TypeSticker: "sticker", message.TypeLocation: "location", message.TypeContact: "contact",
	message.TypePoll: "poll", message.TypeVote: "pollUpdate", message.TypeReaction: "reaction", message.TypeEdit: "protocol", message.TypeDelete: "protocol",
}

// Request implements webhook.Dialect.
func (d dialect) Request(p webhook.Post) (webhook.Request, error) {
	ctx, end := context.WithTimeout(context.Background(), lookTime)
	defer end()
	var data eventData
	if err := json.Unmarshal(p.Data, &data); err != nil {
		return webhook.Request{}, fmt.Errorf("read an event: %w", err)
	}
	if data.Own != (p.Event.Kind == event.Sent) && p.Event.Kind != event.Media || data.Own && !p.Kinds[event.Sent] {
		return webhook.Request{}, webhook.ErrNothing // of what goes out by the API only receipts are told, of the owner's own only what he wrote
	}
	token, remote, push, err := d.look(ctx, p, data)
	if err != nil {
		return webhook.Request{}, err
	}
	var post any
	switch p.Event.Kind {
	case event.Received, event.Media, event.Sent:
		if post, err = data.message(p, token, remote, push); err != nil {
			return webhook.Request{}, err
		}
	case event.Delivered, event.Read:
		post = data.receipt(p, token, remote)
	default:
		return webhook.Request{}, webhook.ErrNothing
	}
	body, err := json.Marshal(post)
	return webhook.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, err
}

// look reads what the event does not tell: the device's token, the network's id of the message, and how its writer calls himself.
func (d dialect) look(ctx context.Context, p webhook.Post, data eventData) (token, remote, push string, err error) {
	at, err := id.Parse[message.Channel](data.Channel)
	if err != nil {
		return "", "", "", webhook.ErrNothing // it is no message's
	}
	c, _, err := d.core.Channels.Get(ctx, at)
	if err != nil {
		return "", "", "", err
	}
	m, err := d.core.Gateway.Message(ctx, p.Account, message.ID(p.Event.Subject))
	if err != nil {
		return "", "", "", err
	}
	for _, part := range m.Parts {
		if part.RemoteID != "" {
			remote = part.RemoteID
		}
	}
	if m.Direction == message.In {
		who, _, err := d.core.Contacts.Having(ctx, p.Account, m.From)
		if err != nil {
			return "", "", "", err
		}
		push = who.PushName
	}
	return c.Name, remote, push, nil
}

// Success implements webhook.Dialect.
func (dialect) Success(status int, _ []byte) bool { return status >= 200 && status <= 299 }

// message is a message that came in. One with a file is told of once the file is here, or will never be.
func (e eventData) message(p webhook.Post, token, remote, push string) (any, error) {
	kind, url := "conversation", ""
	if c := e.Content; c != nil {
		if kind = types[c.Type]; kind == "" {
			kind = string(c.Type)
		}
		if c.Type == message.TypeText && c.Quote != nil {
			kind = "extendedText"
		}
		if c.Media != nil && c.Media.State == "pending" {
			return nil, webhook.ErrNothing
		}
		if c.Media != nil {
			url = c.Media.URL
		}
	}
	sender := message.ParseAddress(e.From)
	chat := sender
	switch {
	case e.Chat != "":
		chat = message.ParseAddress(e.Chat)
	case e.Own:
		chat = message.ParseAddress(e.To)
	}
	inner, err := json.Marshal([]payload{{
		Key: payloadKey{jid(chat), e.Own, remote}, MessageTimestamp: p.Event.At.Unix(), PushName: push, Message: e.inner(kind),
	}})
	return messagePost{
		Chat: jid(chat), Event: "message", FromMe: e.Own, MediaURL: url, Message: e.Text, Payload: string(inner), Phone: digits(sender), PushName: push,
		RemoteJID: jid(chat), Sender: jid(sender), Text: e.Text, To: digits(message.ParseAddress(e.To)), Token: token, Type: kind,
		UpdateAt: p.Event.At.UTC().Format(shownTime),
	}, err
}

// inner is the message as WhatsApp's own JSON has it, as far as the core knows it.
func (e eventData) inner(kind string) map[string]any {
	switch {
	case kind == "conversation":
		return map[string]any{"conversation": e.Text}
	case kind == "extendedText":
		return map[string]any{"extendedTextMessage": map[string]any{"text": e.Text}}
	case e.Content.Media != nil:
		file := map[string]any{"mimetype": e.Content.Media.MIME, "caption": e.Text}
		if e.Content.Media.Name != "" {
			file["fileName"] = e.Content.Media.Name
		}
		return map[string]any{kind + "Message": file}
	}
	return map[string]any{kind + "Message": map[string]any{"text": e.Text}}
}

// receipt is what became of a message that was sent.
func (e eventData) receipt(p webhook.Post, token, remote string) receiptPost {
	to := message.ParseAddress(e.To)
	kind := ""
	if p.Event.Kind == event.Read {
		kind = "read"
	}
	return receiptPost{
		Chat: jid(to), Event: "receipt", IDs: []string{remote}, Sender: jid(to), Timestamp: p.Event.At.Unix(), Token: token, Type: kind,
		UpdateAt: p.Event.At.UTC().Format(shownTime),
	}
}

func digits(a message.Address) string {
	if a.Kind == message.Phone {
		return strings.TrimPrefix(a.Value, "+")
	}
	return a.Value
}
