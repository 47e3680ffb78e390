package channel

import (
	"context"
	"io"
	"time"

	"tidings.dev/internal/message"
)

// Link is how a channel becomes a linked device of somebody's phone, and stops being one.
type Link struct {
	// Pair links the device and returns who it is now once the phone has agreed. It hands each code to show as soon as it is valid; a
	// code ends the one before it. It returns a *Failure when the codes have run out or the network refuses, and soon after
	// ctx ends. Nobody else has a session of the channel meanwhile.
	Pair func(ctx context.Context, env Env, phone string, show func(Code)) (Identity, error)
	// Forget drops everything that the driver keeps of the channel here. The network is not told: Unlinker does that first, where
	// there is a session.
	Forget func(ctx context.Context, env Env) error
}

// Code is what a phone scans, or what its owner types into it, to link a device.
type Code struct {
	QR    string    // the text of a QR code; empty: Typed is there
	Typed string    // such as ABCD-EFGH
	Until time.Time // when it stops being valid, by the wall clock
}

// Identity is who a linked device is.
type Identity struct {
	Remote string // the network's own name of the device, such as 491701234567:12@s.whatsapp.net
	Person message.Person
}

// Care is how carefully a channel sends, so that its network does not take it for a machine that bothers people.
type Care struct {
	Every  time.Duration // between two messages on average; 0: as the channel's rate says
	Jitter float64       // how much longer or shorter a pause may be, as a share of Every
	Daily  int           // messages within a day; 0: any number
	WarmUp int           // days after linking over which Daily grows evenly from First
	First  int           // messages on the first day of the warm-up
}

// State keeps what a driver must know again at the next session of a channel, on whichever server that is. Values are sealed at
// rest; names are not. Only the server whose session it is can write: for any other a write fails.
type State interface {
	// Load returns what is kept under each of the names, nil where nothing is.
	Load(ctx context.Context, names ...string) (values [][]byte, err error)
	// List returns all that is kept under names that begin with the prefix, in the order of the names.
	List(ctx context.Context, prefix string) ([]Kept, error)
	// Count tells how much that is.
	Count(ctx context.Context, prefix string) (int, error)
	// Save keeps all of these, or none of them after an error. One with a nil value is forgotten.
	Save(ctx context.Context, kept ...Kept) error
	// Clear forgets everything.
	Clear(ctx context.Context) error
}

// Kept is something that a driver keeps.
type Kept struct {
	Name  string
	Value []byte
	Until time.Time // in Save: when it may be forgotten; zero: with the channel
}

// Media opens the files that messages carry.
type Media interface {
	// Open returns the file's bytes. Its error is fault.NotFound when it is not kept any more.
	Open(ctx context.Context, id message.MediaID) (io.ReadCloser, error)
}

// Fetcher is a session that can get the file of an inbound message.
type Fetcher interface {
	// Fetch writes the bytes of the file that source, the message's Inbound.Fetch, leads to. A *Failure with Reject says that it is gone
	// for ever, and one with Retry that it may come back.
	Fetch(ctx context.Context, source []byte, into io.Writer) error
}

// Unlinker is a session that can end its own link: the phone shows the device no more.
type Unlinker interface {
	Unlink(ctx context.Context) error
}

// Checker is a session that can tell who has an account of its network.
type Checker interface {
	// Check answers for each phone number, in order.
	Check(ctx context.Context, phones []message.Address) ([]Known, error)
}

// Known is whether somebody has an account of the network.
type Known struct {
	Phone  message.Address
	There  bool
	Person message.Person // who it is, if there
}

// AddressBook is a session that knows people.
type AddressBook interface {
	// People lists everybody the device knows.
	People(ctx context.Context) ([]message.Person, error)
	// Picture is where the picture of somebody, a group or, for no address, the device itself can be fetched for some time; empty when there is none to see.
	Picture(ctx context.Context, of message.Address) (url string, err error)
}

// Grouper is a session that knows groups.
type Grouper interface {
	// Groups lists the groups that the device is in.
	Groups(ctx context.Context) ([]Group, error)
	// Group tells about one of them.
	Group(ctx context.Context, group message.Address) (Group, error)
}

// Group is a group of people who write to each other.
type Group struct {
	Address      message.Address
	Name         string
	NameSetAt    time.Time
	NameSetBy    message.Person
	Topic        string
	Owner        message.Person
	Created      time.Time
	Locked       bool // only admins change name and topic
	Announce     bool // only admins write
	Ephemeral    time.Duration
	Participants []Participant
}

// Participant is a member of a group.
type Participant struct {
	message.Person
	Admin bool
	Owner bool
}

// Presenter is a session that can show what we are doing.
type Presenter interface {
	// Typing shows, for some seconds or until a message arrives, that we write or, with voice, speak; off ends it.
	Typing(ctx context.Context, to message.Address, state Typing) error
	// MarkRead tells the writer that messages of one chat were read. group is none outside groups.
	MarkRead(ctx context.Context, from, group message.Address, remoteIDs []string, at time.Time) error
}

// Typing is what a chat shows of us.
type Typing string

// The states.
const (
	TypingOff   Typing = "off"
	TypingText  Typing = "text"
	TypingVoice Typing = "voice"
)

// NoticeSink is a Sink that also takes news that are no message and no receipt. Its calls return once the news is on disk.
type NoticeSink interface {
	Notice(ctx context.Context, n Notice) error
}

// Notice is one piece of such news. One of the pointers is set.
type Notice struct {
	Channel  message.ChannelID
	Linked   *Identity        // the device is who this says, from now on
	Unlinked *Unlinked        // the device is linked no more
	Limited  *Limited         // the network restricts what the device may do
	Call     *Call            // somebody calls
	People   []message.Person // what was learned about people: names, and which addresses are one person's
	At       time.Time
}

// Unlinked is why a device is linked no more.
type Unlinked struct {
	Code   string // "logged_out", "removed", "banned", "replaced"
	Reason string // a sentence for whoever owns the device
}

// Limited is a restriction by the network.
type Limited struct {
	Code   string    // "temporary_ban", "reach_out"
	Reason string    // a sentence for whoever owns the device
	Until  time.Time // zero: nobody knows
}

// Call is a call that came in.
type Call struct {
	RemoteID string
	From     message.Person
	Video    bool
	Group    bool
	Rejected bool // by us, as the channel's settings say
}
