package native

import (
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// contentRequest is what to say that is no plain text.
type contentRequest struct {
	Type     string            `json:"type" enum:"text,image,video,audio,voice,document,sticker,location,contact,poll,buttons,reaction,edit,delete" doc:"What else there is depends on it." example:"image"`
	Text     string            `json:"text,omitempty" doc:"The text; the caption of an image, a video or a document; the question of a poll; the emoji of a reaction, empty to take it back."`
	Media    *fileRequest      `json:"media,omitempty"`
	Location *message.Location `json:"location,omitempty"`
	Cards    []message.Card    `json:"cards,omitempty" maxItems:"10" nullable:"false" doc:"Of a contact: people, each with phones or a vCard."`
	Options  []string          `json:"options,omitempty" minItems:"2" maxItems:"12" nullable:"false" doc:"Of a poll."`
	Choices  int               `json:"choices,omitempty" minimum:"0" maximum:"12" doc:"How many options of a poll one person may choose; 0: any number."`
	Buttons  *message.Buttons  `json:"buttons,omitempty" doc:"From 1 to 3 quick replies. A network without them gets a numbered text."`
	Mentions []string          `json:"mentions,omitempty" maxItems:"100" nullable:"false" doc:"People whom the text names as @digits."`
	Quote    *refRequest       `json:"quote,omitempty" doc:"The message that this one replies to, of the same chat."`
	About    *refRequest       `json:"about,omitempty" doc:"The message that a reaction, edit or deletion is about, of the same chat."`
	Preview  bool              `json:"preview,omitempty" doc:"Show what the first link of a text leads to."`
}

// fileRequest names a file: one of id and url is there.
type fileRequest struct {
	ID      string `json:"id,omitempty" format:"uuid" doc:"A file of the account."`
	URL     string `json:"url,omitempty" format:"uri" doc:"Where the file is fetched from before the message is sent." example:"https://example.com/invoice.pdf"`
	Name    string `json:"name,omitempty" maxLength:"255" doc:"What the recipient sees of a document." example:"invoice.pdf"`
	Seconds int    `json:"seconds,omitempty" minimum:"0" doc:"How long it plays, where you know it."`
}

// refRequest names a message.
type refRequest struct {
	Message string `json:"message" format:"uuid"`
}

// content says the request in the words of the core.
func (c *contentRequest) content() (message.Content, error) {
	to := message.Content{
		Version: 1, Type: message.Type(c.Type), Text: c.Text, Location: c.Location, Cards: c.Cards, Options: c.Options, Choices: c.Choices,
		Buttons: c.Buttons, Mentions: c.Mentions, Preview: c.Preview,
	}
	if c.Type == "" {
		return to, fault.New(fault.MissingField, "a content has a type").In("content.type")
	}
	if m := c.Media; m != nil {
		to.Media = &message.Media{URL: m.URL, Name: m.Name, Seconds: max(0, m.Seconds)}
		if m.ID != "" {
			key, err := id.Parse[message.Media](m.ID)
			if err != nil {
				return to, fault.New(fault.NotHere, "there is no such file").In("content.media.id")
			}
			to.Media.ID = key
		}
	}
	var err error
	if to.Quote, err = c.Quote.ref("content.quote"); err != nil {
		return to, err
	}
	to.About, err = c.About.ref("content.about")
	return to, err
}

func (r *refRequest) ref(field string) (*message.Ref, error) {
	if r == nil {
		return nil, nil
	}
	if r.Message == "" {
		return nil, fault.New(fault.MissingField, "name a message by its id").In(field + ".message")
	}
	key, err := id.Parse[message.Message](r.Message)
	if err != nil {
		return nil, fault.New(fault.NotHere, "there is no such message").In(field + ".message")
	}
	return &message.Ref{Message: key}, nil
}
