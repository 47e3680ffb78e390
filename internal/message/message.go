// Package message is what Tidings carries: drafts, outbound and inbound messages, their parts, receipts and status.
package message

import (
	"encoding/json"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/id"
)

// ID is the key of a message; its time is when the message was accepted or came in.
type ID = id.Of[Message]

// ChannelID is the key of a channel.
type ChannelID = id.Of[Channel]

// Channel stands for the channel noun in ChannelID; its settings are kept by package connection.
type Channel struct{}

// ContactID is the key of a contact.
type ContactID = id.Of[Contact]

// Contact stands for the contact noun in ContactID; package contact keeps them.
type Contact struct{}

// Kind is what a message travels as, and so which default channel carries it.
type Kind string

// The kinds of message.
const (
	SMS      Kind = "sms"
	WhatsApp Kind = "whatsapp"
	MMS      Kind = "mms"   // a file with a text below
	Voice    Kind = "voice" // a call in which the text is read aloud
)

// Direction says who wrote a message.
type Direction int

// The directions. The numbers are stored.
const (
	Out Direction = 1
	In  Direction = 2
)

// Priority is the class of a message; a lane serves higher classes first and starves none.
type Priority int

// The priorities, most urgent first. The numbers are stored.
const (
	OTP           Priority = 1
	Transactional Priority = 2
	Bulk          Priority = 3
)

// Priorities names the priorities in the words of the native API.
var Priorities = map[string]Priority{"otp": OTP, "transactional": Transactional, "bulk": Bulk}

// String is the priority in the words of the native API.
func (p Priority) String() string {
	for name, q := range Priorities {
		if p == q {
			return name
		}
	}
	return ""
}

// OnUnknown is what to do when nobody can tell whether the network took an attempt.
type OnUnknown string

// The choices.
const (
	Resend OnUnknown = "resend" // once more, marked as a possible duplicate
	Hold   OnUnknown = "hold"   // wait for a person, the API, or the end of validity
	Fail   OnUnknown = "fail"   // end as failed
)

// DefaultOnUnknown is the choice for a message that makes none: what is urgent is sent again, bulk waits.
func DefaultOnUnknown(p Priority) OnUnknown {
	if p == Bulk {
		return Hold
	}
	return Resend
}

// Draft is a wish to send one message, in the words of a surface. The gateway decides whether it is granted.
type Draft struct {
	Channel     ChannelID       // zero: the account's default of the kind
	Kind        Kind            // empty: SMS
	To          string          // as the caller wrote it
	Region      string          // whose national form To may have; empty: the account's
	From        string          // empty: the channel's own sender
	Content     Content         //
	Reference   string          // the caller's own id, unique in the account for 30 days; may be empty
	ScheduledAt time.Time       // zero: now
	ValidUntil  time.Time       // zero: the server's default after the moment it may first be sent
	Priority    Priority        // zero: Transactional
	Metadata    json.RawMessage // at most 1 KB; given back with every event
	OnUnknown   OnUnknown       // empty: by priority
	Shorten     bool            // short links of this server stand in for the URLs of a plain text
	Answers     ID              // of our own answer to a STOP, START or HELP, the message it answers: it goes to who opted out, too
}

// Message is a message as it is stored.
type Message struct {
	ID         ID
	Account    account.ID
	Direction  Direction
	Kind       Kind
	Channel    ChannelID
	To         Address
	From       Address
	Content    Content
	Status     Status
	Seq        int // number of the message's newest event
	Attempt    int // the newest attempt, from 1
	Total      int // parts that an attempt needs
	Encoding   string
	Price      int64 // of the whole message, in micro-units of the currency
	Currency   string
	Priority   Priority
	OnUnknown  OnUnknown
	Reference  string
	Metadata   json.RawMessage
	Test       bool
	Duplicate  bool      // an attempt after an unknown one went out: the recipient may have two
	Reason     string    // code of what ended it badly, such as "rejected"
	Scheduled  time.Time // zero: at once
	ValidUntil time.Time //
	Updated    time.Time //
	Contact    ContactID // whom it goes to or comes from; zero where nobody keeps that, and in groups
	Chat       Address   // the group that an inbound message was written in; none: to us alone
	Written    time.Time // when an inbound message was written, as the network says; zero if it does not
	Answers    ID        // for an inbound message, the outbound one it most likely answers; for our answer to a STOP, START or HELP, that
	Joint      uint16    // joins the parts of a long text for the receiving phone
	Parts      []Part    // when asked for
}

// Own reports whether the owner of our address wrote the message himself, on another device of his: it was never a draft.
func (m *Message) Own() bool { return m.Direction == Out && m.OnUnknown == "" }

// Part is one part of one attempt, once its outcome is known or known to be unknown.
type Part struct {
	Attempt  int
	Number   int // from 1
	Channel  ChannelID
	RemoteID string // the network's id
	Status   Status
	Code     string // the network's error, such as "0x0000000B"
	SentAt   time.Time
	DoneAt   time.Time
}

// Outbound is one part on its way to a network.
type Outbound struct {
	Message    ID
	Account    account.ID
	Attempt    int
	Number     int // of this part, from 1
	Total      int
	Reference  uint16 // joins the parts of one attempt for the receiving phone
	To         Address
	From       Address
	Content    Content
	Text       string // this part's own text
	Encoding   string // chosen for the whole message by the driver's Split
	Priority   Priority
	ValidUntil time.Time
}

// Echo is this part's own reference for networks that repeat one in their receipts. It is never 0, and parts that are under
// way to one recipient at the same time hardly ever share it.
func (m Outbound) Echo() uint16 { return EchoOf(m.Message, m.Attempt, m.Number) }

// EchoOf is the reference of one part of one attempt of a message.
func EchoOf(id ID, attempt, number int) uint16 {
	mixed := (uint64(id)*31+uint64(attempt))*257 + uint64(number)
	mixed *= 0x9E3779B97F4A7C15 // spreads neighbours (Fibonacci hashing)
	return max(1, uint16(mixed>>48))
}

// Split is how a driver cuts a content for its network.
type Split struct {
	Encoding string   // such as "gsm7" or "ucs2"
	Units    int      // in the encoding's own unit
	Total    int      // parts
	Texts    []string // of each part; empty when Total is 1
	Segments int      // what the network charges for, where that is more than Total: it cuts parts itself
}

// Charged is how many parts the network charges for.
func (s Split) Charged() int { return max(s.Total, s.Segments) }

// Inbound is a message, or one part of it, that a network handed to us.
type Inbound struct {
	Channel  ChannelID
	RemoteID string // the network's id, if it has one: repeats with the same id are taken once
	From     Address
	To       Address
	Chat     Address // the group it was written in; none: to us alone
	Sender   Person  // what the network tells about From; may be empty
	Content  Content
	Fetch    []byte // of media: what the driver needs to fetch it (channel.Fetcher); nobody else reads it, and it may hold keys
	Own      bool   // the owner of our address wrote it himself, on another device of his: From is ours, and To is whom he wrote to
	Past     bool   // it is history: kept, and nobody is told or answered
	Joint    Joint
	At       time.Time // when the network says it came; zero if it does not
}

// Person is what a network tells about somebody. Any part may be missing, or come later.
type Person struct {
	Phone    Address
	LID      Address
	BSUID    Address
	UserName string
	Name     string // as the account's own address book calls them
	PushName string // as they call themselves
	Business string // the verified name of a business
}

// Joint says which part of a longer inbound text this is. Total 0 or 1 is a whole one.
type Joint struct {
	Reference int
	Total     int
	Number    int // from 1
}

// Receipt is what a network says later about a part.
type Receipt struct {
	Channel   ChannelID
	RemoteID  string
	RemoteIDs []string // other spellings of RemoteID under which we may know it
	Reference uint16   // our reference of the part (Outbound.Echo), as the network repeats it; 0: it does not
	To        Address  // the recipient of the part, as the network names it; may be empty
	Status    Status   // Sent (an intermediate report), Failed, Delivered or Read
	Code      string   // the network's error code
	Reason    string   // for Failed: "undelivered", "expired" or "rejected"
	Played    bool     // for Read: a voice note was listened to
	At        time.Time
	Raw       string // as the network wrote it, without the message's text
}
