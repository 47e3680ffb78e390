package gateway

import (
	"slices"

	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// bound reports whether the caller's key is bound to some senders or channels. What it sends then stays on the channel that it
// was accepted for, since another might not be among them.
func (c Caller) bound() bool { return len(c.Key.Senders) > 0 || len(c.Key.Channels) > 0 }

// mayTake reports whether the key's messages may go by the channel. Those of a test key go nowhere.
func (c Caller) mayTake(ch connection.Channel) bool {
	return len(c.Key.Channels) == 0 || c.Key.Test || slices.Contains(c.Key.Channels, int64(ch.ID))
}

// checkBounds refuses a sender or a channel that the key is not for.
func (c Caller) checkBounds(m *message.Message, ch connection.Channel) error {
	switch {
	case !c.mayTake(ch):
		return fault.New(fault.NoChannel, "the key may not send by this channel").In("channel")
	case len(c.Key.Senders) > 0 && !slices.Contains(c.Key.Senders, m.From.String()):
		return fault.New(fault.InvalidSender, "the key may not send as %q", m.From.Display()).In("from")
	}
	return nil
}
