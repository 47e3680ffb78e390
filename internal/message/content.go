package message

import "tidings.dev/internal/id"

// MediaID is the key of a file that messages carry; package media keeps them.
type MediaID = id.Of[Media]

// Type is the kind of a content.
type Type string

// The types of content.
const (
	TypeText     Type = "text"
	TypeImage    Type = "image"
	TypeVideo    Type = "video"
	TypeAudio    Type = "audio"
	TypeVoice    Type = "voice" // a voice note: it is played, and a receipt says so
	TypeDocument Type = "document"
	TypeSticker  Type = "sticker"
	TypeLocation Type = "location"
	TypeContact  Type = "contact"
	TypePoll     Type = "poll"
	TypeVote     Type = "vote"     // an answer to a poll
	TypeButtons  Type = "buttons"  // a text with quick replies; numbered text where a network has none
	TypeReaction Type = "reaction" // to the message that About names
	TypeEdit     Type = "edit"     // a new text for the message that About names
	TypeDelete   Type = "delete"   // takes the message that About names back
	TypeBinary   Type = "binary"   // octets of an SMS in hexadecimal digits
	TypeOther    Type = "other"    // something that came in and that Tidings has no type for; Text says what
)

// Carries reports whether contents of the type have a file.
func (t Type) Carries() bool {
	switch t {
	case TypeImage, TypeVideo, TypeAudio, TypeVoice, TypeDocument, TypeSticker:
		return true
	}
	return false
}

// Plain reports whether the content is a text and nothing else.
func (c *Content) Plain() bool {
	return c.Type == TypeText && c.Quote == nil && len(c.Mentions) == 0 && !c.Preview || c.Type == ""
}

// Content is what a message says. Stored as JSON with its version, so that later versions can read older ones.
type Content struct {
	Version  int       `json:"v"`
	Type     Type      `json:"type"`
	Text     string    `json:"text,omitempty"` // the text, the caption of a file, the emoji of a reaction (empty: taken back), the question of a poll
	Media    *Media    `json:"media,omitempty"`
	Location *Location `json:"location,omitempty"`
	Cards    []Card    `json:"cards,omitempty"`
	Options  []string  `json:"options,omitempty"` // of a poll; of a vote, those that were chosen
	Choices  int       `json:"choices,omitempty"` // of a poll: how many options one person may choose; 0: any number
	Buttons  *Buttons  `json:"buttons,omitempty"`
	Mentions []string  `json:"mentions,omitempty"` // addresses, as Address.String writes them, that the text names as @digits
	Quote    *Ref      `json:"quote,omitempty"`    // the message that this one replies to
	About    *Ref      `json:"about,omitempty"`    // the message that a reaction, edit, deletion or vote is about
	Subject  string    `json:"subject,omitempty"`  // of an MMS
	Spoken   *Spoken   `json:"spoken,omitempty"`   // of a voice message
	Preview  bool      `json:"preview,omitempty"`  // show what the first link of the text leads to
}

// Text is the content of a plain text.
func Text(text string) Content { return Content{Version: 1, Type: TypeText, Text: text} }

// Media is a file that a message carries.
type Media struct {
	ID      MediaID `json:"id,omitempty"`      // where it is kept; zero: it is not yet
	URL     string  `json:"url,omitempty"`     // where it is fetched from before it is sent; empty once it is kept
	MIME    string  `json:"mime,omitempty"`    // sniffed, where it is kept
	Name    string  `json:"name,omitempty"`    // of the file, for documents
	Size    int64   `json:"size,omitempty"`    // bytes
	SHA256  string  `json:"sha256,omitempty"`  // in hexadecimal digits
	Seconds int     `json:"seconds,omitempty"` // how long it plays
	Width   int     `json:"width,omitempty"`   // pixels
	Height  int     `json:"height,omitempty"`  // pixels
	State   string  `json:"-"`                 // when a message is read: pending, kept, failed or gone
}

// Location is a place on Earth.
type Location struct {
	Latitude  float64 `json:"latitude"`  // degrees, -90 to 90
	Longitude float64 `json:"longitude"` // degrees, -180 to 180
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// Card is a person's details to save (RFC 6350). One of VCard and Phones is there.
type Card struct {
	Name   string   `json:"name"`
	Phones []string `json:"phones,omitempty"`
	VCard  string   `json:"vcard,omitempty"`
}

// Buttons are quick replies below a text.
type Buttons struct {
	Header  string   `json:"header,omitempty"`
	Footer  string   `json:"footer,omitempty"`
	Replies []Button `json:"replies"`
}

// Button is one quick reply.
type Button struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Ref names a message: ours by its key, and the network's by its id there.
type Ref struct {
	Message  ID     `json:"message,omitempty"`
	RemoteID string `json:"remote_id,omitempty"`
	From     string `json:"from,omitempty"` // who wrote it, as Address.String writes it; empty: we did
	Text     string `json:"text,omitempty"` // what it said, to be shown above a reply
}

// Spoken is how a text is read aloud.
type Spoken struct {
	Language string `json:"language"` // such as en-gb
	Voice    string `json:"voice"`    // male or female
}
