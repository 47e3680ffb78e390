package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/channel"
)

// unreachable says that no connection could be made.
func unreachable(err error) *channel.Failure {
	return &channel.Failure{Verdict: channel.Retry, Code: "unreachable", Err: err}
}

// outdatedPause is how long to wait when no newer version of the client is known: only an update of Tidings helps then.
const outdatedPause = 10 * time.Minute

// renewed tells whether a newer client was found, so that to try again helps at once.
func renewed(err error) bool {
	f, ok := errors.AsType[*channel.Failure](err)
	return ok && f.Code == "client_outdated" && f.Pause == 0
}

// outdated looks for the version of the client that the network wants, and says how soon to try with it.
func (d *driver) outdated(ctx context.Context) *channel.Failure {
	f := &channel.Failure{Verdict: channel.Retry, Code: "client_outdated", Native: events.ConnectFailureClientOutdated.NumberString()}
	found, err := d.renew(ctx)
	switch {
	case found:
		f.Err = fmt.Errorf("the newest version, %s, is used from now on", d.version.Load())
	case err != nil:
		f.Pause, f.Err = outdatedPause, fmt.Errorf("look for the newest version: %w", err)
	default:
		f.Pause, f.Err = outdatedPause, errors.New("there is no newer version: update Tidings")
	}
	return f
}

// The answers to a message that say why it was not taken.
const (
	answerReachOut = 463 // the account may not write to people who have not written to it
	answerRate     = 429
	answerGone     = 404
	answerForbid   = 403
	answerFrozen   = 420
)

// serverPause is how long the lane waits after the network asked for less.
const serverPause = time.Minute

// sendFailure judges why a message did not go out. Until the library writes to its socket the network surely has nothing of it.
func sendFailure(err error) *channel.Failure {
	disconnected, lost := errors.AsType[*whatsmeow.DisconnectedError](err)
	_, storage := errors.AsType[*storageError](err)
	iq, answered := errors.AsType[*whatsmeow.IQError](err)
	switch {
	case storage:
		return &channel.Failure{Verdict: channel.Retry, Code: "storage", Err: err}
	case errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn):
		return &channel.Failure{Verdict: channel.Retry, Code: "not_connected", Err: err}
	case errors.Is(err, whatsmeow.ErrServerReturnedError):
		return answerFailure(codeOf(err), err)
	case lost && disconnected.Action != "message send": // a question before it
		return &channel.Failure{Verdict: channel.Retry, Code: "connection_lost", Err: err}
	case errors.Is(err, whatsmeow.ErrIQTimedOut):
		return &channel.Failure{Verdict: channel.Retry, Code: "no_answer", Err: err}
	case strings.Contains(err.Error(), "no LID found"):
		return notThere(err)
	case errors.Is(err, whatsmeow.ErrGroupNotFound), errors.Is(err, whatsmeow.ErrNotInGroup):
		return &channel.Failure{Verdict: channel.Reject, Code: "not_in_group", Err: err}
	case answered:
		return answerFailure(iq.Code, err)
	default:
		return &channel.Failure{Verdict: channel.Unsure, Code: "no_answer", Err: err}
	}
}

// notThere says that the recipient has no WhatsApp.
func notThere(err error) *channel.Failure {
	return &channel.Failure{Verdict: channel.Reject, Code: "not_on_whatsapp", Err: err}
}

// codeOf is the number at the end of the library's error, which has no other place for it.
func codeOf(err error) (code int) {
	text := err.Error()
	if _, err := fmt.Sscan(text[strings.LastIndexByte(text, ' ')+1:], &code); err != nil {
		return 0
	}
	return code
}

// answerFailure judges by the network's own code.
func answerFailure(code int, err error) *channel.Failure {
	f := &channel.Failure{Verdict: channel.Reject, Code: "refused", Native: fmt.Sprint(code), Err: err}
	switch code {
	case answerReachOut:
		f.Verdict, f.Code, f.Pause = channel.Retry, "reach_out", reachOutPause
	case answerRate, answerFrozen:
		f.Verdict, f.Code, f.Pause, f.Slow = channel.Retry, "throttled", serverPause, true
	case answerGone:
		f.Code = "not_on_whatsapp"
	case answerForbid:
		f.Code = "not_allowed"
	case 500, 503:
		f.Verdict, f.Code = channel.Retry, "network_error"
	}
	return f
}

// mediaFailure judges why a file could not be handed to the network, before the message was.
func mediaFailure(err error) *channel.Failure {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &channel.Failure{Verdict: channel.Retry, Code: "upload_failed", Err: err}
	}
	if f, ok := errors.AsType[*channel.Failure](err); ok {
		return f
	}
	return &channel.Failure{Verdict: channel.Retry, Code: "upload_failed", Err: err}
}
