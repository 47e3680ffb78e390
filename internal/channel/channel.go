// Package channel is the contract between Tidings and the networks: a driver opens sessions, a session sends parts and
// hands what comes back to a sink.
//
// A driver is a value; what it can do is data. Pace, retries, metrics and logs wrap a session from outside, so that
// drivers stay plain. Abilities that few drivers have are the small optional interfaces at the end of this file.
package channel

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"

	"tidings.dev/internal/message"
)

// Driver speaks the protocol of one kind of network.
type Driver struct {
	// Name is the driver's word in settings and tables, such as "smpp".
	Name string
	// Kind is what its messages travel as.
	Kind message.Kind
	// Features tell what its network can do.
	Features Features
	// Check reads settings and reports every mistake at once, in words for whoever typed them.
	Check func(Settings) error
	// Secrets are the settings that are never shown.
	Secrets []string
	// Split cuts a content into the parts the network carries. It is pure: the same settings and content give the same
	// parts. Its faults are the caller's: fault.EmptyText, fault.TextTooLong. For one part Texts may be left empty.
	Split func(Settings, message.Content) (message.Split, error)
	// EachNode reports whether every server of an installation may have a session of the channel at the same time. nil: one
	// server alone may.
	EachNode func(Settings) bool
	// Unknown is what the network of a channel with these settings lets us find out, where that differs between channels.
	// nil: as Features says.
	Unknown func(Settings) Unknown
	// Receipts reports whether the network of a channel with these settings tells what became of every part, where that differs
	// between channels. nil: as Features says.
	Receipts func(Settings) bool
	// Open connects, logs in, and returns when the session can send. A *Failure tells whether trying again can help.
	Open func(context.Context, Env) (Session, error)
	// RemoteID is the id under which the network will know a part, where the driver chooses it before it sends. nil: the network does.
	RemoteID func(m message.Outbound) string
	// Link is what a channel of linked devices can do before it has a session. nil: channels of the driver need no linking.
	Link *Link
	// Care is how carefully a channel with these settings sends. nil: as fast as the channel's rate allows.
	Care func(Settings) Care
}

// Class is what can be found out about unknown outcomes on a channel with these settings.
func (d Driver) Class(s Settings) Unknown {
	if d.Unknown == nil {
		return d.Features.Unknown
	}
	return d.Unknown(s)
}

// Tells reports whether the network tells what became of every part on a channel with these settings.
func (d Driver) Tells(s Settings) bool {
	if d.Receipts == nil {
		return d.Features.Receipts
	}
	return d.Receipts(s)
}

// Settings are a channel's own, as the driver defines them: a JSON object. They may hold secrets.
type Settings json.RawMessage

// Decode reads the settings into a driver's struct.
func (s Settings) Decode(into any) error { return json.Unmarshal(s, into) }

// Features is what a network can do, for surfaces, dashboard and gateway to read.
type Features struct {
	Receipts bool           // it reports what became of a part
	Media    bool           // it carries files
	Types    []message.Type // what it carries besides text
	Kinds    []message.Kind // what its messages travel as besides the driver's Kind
	Unknown  Unknown        // what can be found out after an outcome nobody knows
	Strict   bool           // order to a recipient holds even while an earlier message backs off

	// Remembers is, for Dedupe, how long the network knows an id again. 0: as long as a message is valid.
	Remembers time.Duration
}

// Unknown is what a network lets us find out about a part whose outcome was lost.
type Unknown int

// The classes of unknown outcome.
const (
	Blind Unknown = iota // nothing: the message's own choice decides
	Echo                 // receipts name our reference: wait for one first
	// Dedupe: the network takes one id only once, so that it is asked again with the same. The driver makes the id of the part's
	// Message, Attempt and Number, which stay what they are.
	Dedupe
)

// Env is what a driver is opened with.
type Env struct {
	Channel  message.ChannelID
	Settings Settings
	Sink     Sink
	Log      *slog.Logger
	// Dial makes every connection of the driver: a customer's channel reaches only what customers may reach. nil: anything goes.
	Dial Dial
	// State is what the driver keeps of the channel between sessions. nil for drivers without Link.
	State State
	// Web gets the pages that messages link to, on the public internet alone. nil: none.
	Web Getter
	// Media are the files that messages carry. nil for drivers without Features.Media.
	Media Media
	// Odd counts what a network does that it should not, and that nothing fails of. nil: nobody counts.
	Odd func(Oddity)
}

// Oddity is something that a network does which it should not: by itself it harms nothing, and many tell of a network that is ill.
type Oddity string

// The oddities.
const (
	ReceiptMismatch Oddity = "receipt_mismatch" // a receipt says two things in two places; the more exact one counts
	ReceiptNameless Oddity = "receipt_nameless" // a receipt names no message and is thrown away
	AnswerLate      Oddity = "answer_late"      // an answer came after its request was given up
	AnswerStray     Oddity = "answer_stray"     // an answer to no request of ours
)

// Note counts an oddity.
func (e *Env) Note(o Oddity) {
	if e.Odd != nil {
		e.Odd(o)
	}
}

// Getter makes requests to addresses that others gave us. It follows no redirect.
type Getter interface {
	Do(req *http.Request) (*http.Response, error)
}

// Dial connects to an address, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Connect connects by Dial.
func (e *Env) Connect(ctx context.Context, address string) (net.Conn, error) {
	if e.Dial == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return e.Dial(ctx, "tcp", address)
}

// Session is a live connection of one channel. Send may be called by as many goroutines as Window says.
type Session interface {
	// Send hands one part to the network and returns the network's id for it. An error is a *Failure; any other error
	// counts as Unsure. Send returns soon after ctx ends, with Unsure if the part may have left.
	Send(ctx context.Context, m message.Outbound) (remoteID string, err error)
	// Run serves the connection and returns when it is lost, with the reason, or when ctx ends, after what is under way
	// has been answered or its time is over.
	Run(ctx context.Context) error
}

// Sink takes what a network tells. Each call returns once the news is on disk; only then may the driver acknowledge it
// to the network. After an error the driver must not: the network will tell again. Calls may be concurrent, and many
// at once cost little more than one.
type Sink interface {
	Receipt(ctx context.Context, r message.Receipt) error
	Inbound(ctx context.Context, m message.Inbound) error
}

// LateSink is a Sink that also takes the answer to a part for which Send had already returned Unsure. It returns once the
// news is on disk. The answer is as Send would have returned it: the network's id, or a *Failure.
type LateSink interface {
	Late(ctx context.Context, m message.Outbound, remoteID string, err error) error
}

// Verdict says what comes next after a failed Send or Open.
type Verdict int

// The verdicts.
const (
	// Unsure: the network may have taken the part. It is the zero value, since it is the safe assumption.
	Unsure Verdict = iota
	// Retry: the network did not take it and may take it later.
	Retry
	// Reject: the network did not take it and never will.
	Reject
)

// Failure is why a session could not do what was asked. Code and Text are fit to show a customer.
type Failure struct {
	Verdict Verdict
	Code    string        // stable word, such as "throttled", "unknown_number", "no_answer", "bad_credentials"
	Native  string        // the network's own error code, such as "0x00000058"
	Pause   time.Duration // for Retry: the whole lane waits this long, and the try is not counted
	Channel bool          // for Reject: the fault is the channel's, and another one may carry the message
	Slow    bool          // for Retry with Pause: the network is asked too fast; the channel's pace goes down
	Err     error         // the cause, for the log
}

// Error is the code with its cause.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Code
	}
	return f.Code + ": " + f.Err.Error()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Windowed is a session that takes more than one part at a time. Without it the window is 1.
type Windowed interface {
	// Window is how many parts may be under way at once.
	Window() int
}

// WindowOf is how many parts the session takes at once.
func WindowOf(s Session) int {
	if w, ok := s.(Windowed); ok {
		return max(1, w.Window())
	}
	return 1
}

// Finder is a session that can ask its network about a part of which nobody knows whether it was taken. It is asked some time
// after the part, and only where Class is Echo.
type Finder interface {
	// Find returns the network's id of the part, or false when the network says for certain that it does not have it.
	Find(ctx context.Context, m message.Outbound) (remoteID string, found bool, err error)
}
