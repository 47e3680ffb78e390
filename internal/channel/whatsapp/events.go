package whatsapp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// handle takes what the network tells, and reports whether it may be acknowledged: once it is on disk. A session that is ending
// takes nothing any more, so that the network brings it again, in order. A panic ends this session and no other.
func (s *session) handle(e any) (taken bool) {
	defer func() {
		if p := recover(); p != nil {
			s.lose(panicked(p))
			taken = false
		}
	}()
	if s.ended(e) {
		return true
	}
	if s.ctx.Err() != nil {
		return false
	}
	switch e := e.(type) {
	case *events.Connected:
		s.connected()
	case *events.Message:
		return s.arrived(e, false)
	case *events.UndecryptableMessage:
		return s.undecryptable(e)
	case *events.Receipt:
		return s.receipt(e)
	case *events.CallOffer:
		return s.called(e.BasicCallMeta, isVideo(e.Data), !e.GroupJID.IsEmpty())
	case *events.CallOfferNotice:
		return s.called(e.BasicCallMeta, e.Media == "video", e.Type == "group")
	case *events.PushName:
		s.learned(e.JID, e.JIDAlt)
	case *events.BusinessName:
		s.learned(e.JID, types.EmptyJID)
	case *events.Contact:
		s.learned(e.JID, types.EmptyJID)
	case *events.MediaRetry:
		s.reuploaded(e)
	case *events.NotifyAccountReachoutTimelock:
		s.timelocked(e)
	case *events.KeepAliveTimeout:
		if e.ErrorCount >= silences {
			s.lose(&channel.Failure{Verdict: channel.Retry, Code: "no_answer", Err: errors.New("the network does not answer")})
		}
	}
	return true
}

// silences is how many questions in a row the network may leave unanswered, which are half a minute apart.
const silences = 2

// ended takes what ends the session.
func (s *session) ended(e any) bool {
	switch e := e.(type) {
	case *events.Disconnected:
		s.lose(&channel.Failure{Verdict: channel.Retry, Code: "connection_lost"})
	case *events.ManualLoginReconnect:
		s.lose(&channel.Failure{Verdict: channel.Retry, Code: "closed"})
	case *events.StreamError:
		s.lose(&channel.Failure{Verdict: channel.Retry, Code: "stream_error", Native: e.Code})
	case *events.ConnectFailure:
		s.lose(&channel.Failure{Verdict: channel.Retry, Code: "refused", Native: e.Reason.NumberString(), Pause: serverPause, Err: errors.New(e.Reason.String())})
	case *events.ClientOutdated:
		f := s.driver.outdated(s.ctx)
		s.env.Log.Error("WhatsApp wants a newer client", "err", f.Err)
		s.lose(f)
	case *events.TemporaryBan:
		s.banned(e)
	case *events.StreamReplaced:
		s.replaced()
	case *events.LoggedOut:
		s.loggedOut(e)
	default:
		return false
	}
	return true
}

// loggedOut tells that the device is linked no more. The library has dropped its keys.
func (s *session) loggedOut(e *events.LoggedOut) {
	u := &channel.Unlinked{Code: "logged_out", Reason: "The device was removed on the phone, or by WhatsApp. Link it again."}
	switch {
	case e.OnConnect && e.Reason == events.ConnectFailureMainDeviceGone:
		u.Code, u.Reason = "removed", "The account was locked by WhatsApp, or has moved to another phone. Link the device again."
	case e.OnConnect && e.Reason == events.ConnectFailureUnknownLogout:
		u.Code, u.Reason = "banned", "WhatsApp has banned the account. Ask WhatsApp for a review on the phone."
	}
	_ = s.notice(channel.Notice{Unlinked: u})
	s.lose(&channel.Failure{Verdict: channel.Reject, Code: u.Code, Channel: true, Native: e.Reason.NumberString(), Err: errors.New(u.Reason)})
}

// connected begins the session's work.
func (s *session) connected() {
	s.isUp.Do(func() { close(s.up) })
	s.beside(s.recall)
	if l := s.limit.Load(); l != nil && l.offline() && !l.active() && l.Code != "replaced" {
		s.limit.Store(nil)
	}
	if s.config.online {
		s.client.SetForceActiveDeliveryReceipts(true)
		if err := s.client.SendPresence(s.ctx, types.PresenceAvailable); err != nil {
			s.env.Log.Debug("cannot show that the device is online", "err", err)
		}
	}
}

// Tries of what the sink refuses, and the pause before the second.
const (
	sinkTries = 4
	sinkPause = 100 * time.Millisecond
)

// store hands something to the sink, again if need be. When it cannot be stored the session ends, since what comes after must not
// be stored before it.
func (s *session) store(what string, give func(ctx context.Context) error) bool {
	var err error
	for n := range sinkTries {
		if err = give(s.ctx); err == nil {
			return true
		}
		select {
		case <-s.ctx.Done():
			return false
		case <-time.After(sinkPause << n):
		}
	}
	s.lose(&channel.Failure{Verdict: channel.Retry, Code: "storage", Err: errors.Join(errors.New("what came in could not be stored: "+what), err)})
	return false
}

// notice tells what is no message and no receipt, and reports whether it is on disk.
func (s *session) notice(n channel.Notice) bool {
	sink, ok := s.env.Sink.(channel.NoticeSink)
	if !ok {
		return true
	}
	n.Channel, n.At = s.env.Channel, time.Now().UTC()
	return s.store("a notice", func(ctx context.Context) error { return sink.Notice(context.WithoutCancel(ctx), n) })
}

// statuses are the receipts that say something of what we sent. A voice note that was played was read.
var statuses = map[types.ReceiptType]message.Status{
	types.ReceiptTypeDelivered: message.Delivered, types.ReceiptTypeInactive: message.Delivered,
	types.ReceiptTypeRead: message.Read, types.ReceiptTypePlayed: message.Read,
}

// receipt tells what became of messages. Each device of the recipient sends its own, and each member of a group: a message is
// delivered or read when the first says so.
func (s *session) receipt(e *events.Receipt) bool {
	status, ours := statuses[e.Type]
	if !ours || e.IsFromMe {
		return true
	}
	to, err := s.chatOf(e.Chat)
	if err != nil {
		return false
	}
	raw := string(e.Type)
	if raw == "" {
		raw = "delivered"
	}
	for ids := range slices.Chunk(possible(e.MessageIDs), receiptsAtOnce) {
		taken := make([]bool, len(ids))
		var all sync.WaitGroup
		for i, id := range ids {
			all.Go(func() {
				r := message.Receipt{Channel: s.env.Channel, RemoteID: id, To: to, Status: status, Played: e.Type == types.ReceiptTypePlayed, At: e.Timestamp.UTC(), Raw: raw}
				taken[i] = s.store("a receipt", func(ctx context.Context) error { return s.env.Sink.Receipt(ctx, r) })
			})
		}
		all.Wait()
		if slices.Contains(taken, false) {
			return false
		}
	}
	return true
}

const (
	receiptsAtOnce = 256 // of one stanza: whoever sends it says how many it has
	longestID      = 200 // bytes of an id that could be a message's
)

// possible leaves out what no message can have as its id. One such id must not keep the others from being taken.
func possible(ids []types.MessageID) []types.MessageID {
	return slices.DeleteFunc(slices.Clone(ids), func(id types.MessageID) bool { return id == "" || len(id) > longestID })
}

// chatOf is the address of a chat in the words that customers know: a person's number while it is known.
func (s *session) chatOf(chat types.JID) (message.Address, error) {
	if chat.Server == types.HiddenUserServer {
		pn, err := s.vault.GetPNForLID(s.ctx, chat)
		if err != nil {
			return message.Address{}, err
		}
		if !pn.IsEmpty() {
			chat = pn
		}
	}
	return addressOf(chat), nil
}
