package gateway

import (
	"context"

	"tidings.dev/internal/event"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
)

// ContentData is a content as it is told and shown. The tags are the source of the OpenAPI document.
type ContentData struct {
	Type     message.Type      `json:"type" enum:"text,image,video,audio,voice,document,sticker,location,contact,poll,vote,buttons,reaction,edit,delete,binary,other"`
	Text     string            `json:"text,omitempty" doc:"The text; the caption of a file; the question of a poll; the emoji of a reaction, absent when it was taken back."`
	Media    *MediaData        `json:"media,omitempty"`
	Location *message.Location `json:"location,omitempty"`
	Cards    []message.Card    `json:"cards,omitempty" nullable:"false"`
	Options  []string          `json:"options,omitempty" nullable:"false" doc:"Of a poll; of a vote, those that were chosen."`
	Choices  int               `json:"choices,omitempty" doc:"How many options of a poll one person may choose; absent: any number."`
	Buttons  *message.Buttons  `json:"buttons,omitempty"`
	Mentions []string          `json:"mentions,omitempty" nullable:"false" doc:"People whom the text names as @digits."`
	Quote    *RefData          `json:"quote,omitempty" doc:"The message that this one replies to."`
	About    *RefData          `json:"about,omitempty" doc:"The message that a reaction, edit, deletion or vote is about."`
	Preview  bool              `json:"preview,omitempty"`
}

// MediaData is the file of a content.
type MediaData struct {
	ID      string `json:"id,omitempty" format:"uuid"`
	State   string `json:"state" enum:"pending,kept,failed,gone"`
	MIME    string `json:"mime,omitempty" example:"image/jpeg"`
	Name    string `json:"name,omitempty" example:"invoice.pdf"`
	Size    int64  `json:"size,omitempty" doc:"Bytes."`
	SHA256  string `json:"sha256,omitempty"`
	Seconds int    `json:"seconds,omitempty"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	URL     string `json:"url,omitempty" doc:"In webhooks, where anybody can read it for some time."`
}

// RefData names a message.
type RefData struct {
	Message  string `json:"message,omitempty" doc:"Its id; absent when it is not known here."`
	RemoteID string `json:"remote_id,omitempty" doc:"The network's id."`
	From     string `json:"from,omitempty" doc:"Who wrote it; absent: we did."`
	Text     string `json:"text,omitempty" doc:"How it began."`
}

// DataOf is how a content is shown; nil for a plain text, which its text says all of.
func DataOf(c *message.Content) *ContentData {
	if c.Plain() {
		return nil
	}
	d := &ContentData{
		Type: c.Type, Text: c.Text, Location: c.Location, Cards: c.Cards, Options: c.Options, Choices: c.Choices, Buttons: c.Buttons,
		Mentions: c.Mentions, Quote: refOf(c.Quote), About: refOf(c.About), Preview: c.Preview,
	}
	if m := c.Media; m != nil {
		d.Media = &MediaData{
			ID: m.ID.String(), State: m.State, MIME: m.MIME, Name: m.Name, Size: m.Size, SHA256: m.SHA256, Seconds: m.Seconds, Width: m.Width, Height: m.Height,
		}
		if d.Media.State == "" {
			d.Media.State = media.Pending.String()
		}
	}
	return d
}

func refOf(r *message.Ref) *RefData {
	if r == nil {
		return nil
	}
	return &RefData{Message: r.Message.String(), RemoteID: r.RemoteID, From: message.ParseAddress(r.From).Display(), Text: r.Text}
}

// contentData is what an event tells of its message's content. Of a file, only the event that is about it tells more than came with the
// message, so that every try of every event says the same.
func (g *Gateway) contentData(ctx context.Context, e event.Event, m *message.Message) (*ContentData, error) {
	if e.Kind != event.Media {
		return DataOf(&m.Content), nil
	}
	if err := g.withFile(ctx, m); err != nil {
		return nil, err
	}
	d := DataOf(&m.Content)
	if d != nil && d.Media != nil && d.Media.State == media.Kept.String() {
		d.Media.URL = g.Media.URL(m.Content.Media.ID, e.At)
	}
	return d, nil
}
