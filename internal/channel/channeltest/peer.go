package channeltest

import (
	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// Peer is a network that a driver is tested against. It speaks the real protocol, and follows the agreed endings of
// recipients' numbers (9901 undelivered, 9902 rejected, and so on). Cases that need an ability it lacks are skipped.
type Peer struct {
	Settings channel.Settings // of a channel that reaches it; response times must allow for ending 9909, which takes 2 s
	Secrets  []string         // what must never show in an error or a log

	WrongLogin channel.Settings // which it refuses for their credentials
	Flawed     channel.Settings // which no check may pass
	Flaws      []string         // the keys of Flawed that are wrong: all must be named at once

	Env  func(*channel.Env) // adds what the driver is opened with besides; nil: nothing
	From message.Address    // what parts come from; none: a name
	Mute bool               // it never says that it could not deliver
	Free bool               // receipts and answers overtake each other

	Inbound func(from, to, text string) error // a phone sends a text; nil: none can
	Drop    func()                            // cuts the connection
	Submits func() []Submit                   // what was handed to it, in order
	Pending func() int                        // receipts and texts that it has not seen acknowledged
	Close   func()
}

// Submit is a part as a peer got it.
type Submit struct {
	To, Text           string
	Ref, Total, Number int // 0 for a text in one part
}
