package smppchannel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/smpp"
)

// Pauses of the whole lane. The tries they follow are not counted.
const (
	throttlePause = time.Second
	rebindPause   = 10 * time.Second // an SMSC needs a while to see that an older bind is dead
)

// refusals are the answers that SMPP 3.4, 5.1.3 and SMPP 5.0, 4.7.6 list, as verdicts. A vendor's own code is a Reject:
// what it means is not known, and to repeat it would be to guess. Where the network minds our settings or our rights with it, another
// channel may carry the message.
var refusals = map[smpp.Status]channel.Failure{
	smpp.StatusThrottled:         {Verdict: channel.Retry, Code: "throttled", Pause: throttlePause, Slow: true},
	smpp.StatusQueueFull:         {Verdict: channel.Retry, Code: "queue_full"},
	smpp.StatusSystemError:       {Verdict: channel.Retry, Code: "network_error"},
	smpp.StatusReceiverTemporary: {Verdict: channel.Retry, Code: "network_error"},
	smpp.StatusSubmitFailed:      {Verdict: channel.Retry, Code: "submit_failed"},
	smpp.StatusUnknownError:      {Verdict: channel.Retry, Code: "submit_failed"},
	smpp.StatusInvalidBindStatus: {Verdict: channel.Retry, Code: "not_bound", Pause: rebindPause},
	smpp.StatusServiceUnavailable: {
		Verdict: channel.Retry, Code: "unavailable",
	},

	smpp.StatusInvalidDestination:     {Verdict: channel.Reject, Code: "unknown_number"},
	smpp.StatusInvalidDestinationTON:  {Verdict: channel.Reject, Code: "unknown_number"},
	smpp.StatusInvalidDestinationNPI:  {Verdict: channel.Reject, Code: "unknown_number"},
	smpp.StatusInvalidDestinationUnit: {Verdict: channel.Reject, Code: "unknown_number"},
	smpp.StatusInvalidSource:          {Verdict: channel.Reject, Code: "invalid_sender", Channel: true},
	smpp.StatusInvalidSourceTON:       {Verdict: channel.Reject, Code: "invalid_sender", Channel: true},
	smpp.StatusInvalidSourceNPI:       {Verdict: channel.Reject, Code: "invalid_sender", Channel: true},
	smpp.StatusInvalidSourceSubunit:   {Verdict: channel.Reject, Code: "invalid_sender", Channel: true},
	smpp.StatusReceiverPermanent:      {Verdict: channel.Reject, Code: "rejected"},
	smpp.StatusReceiverReject:         {Verdict: channel.Reject, Code: "rejected"},
	smpp.StatusDeliveryFailure:        {Verdict: channel.Reject, Code: "undelivered"},
	smpp.StatusInvalidMessageLength:   {Verdict: channel.Reject, Code: "text_too_long"},
	smpp.StatusInvalidExpiry:          {Verdict: channel.Reject, Code: "invalid_validity", Channel: true},
	smpp.StatusInvalidSchedule:        {Verdict: channel.Reject, Code: "invalid_validity", Channel: true},
	smpp.StatusInvalidDataCoding:      {Verdict: channel.Reject, Code: "unsupported_encoding", Channel: true},
	smpp.StatusInvalidESMClass:        {Verdict: channel.Reject, Code: "unsupported", Channel: true},
	smpp.StatusInvalidServiceType:     {Verdict: channel.Reject, Code: "not_allowed", Channel: true},
	smpp.StatusInvalidSystemType:      {Verdict: channel.Reject, Code: "not_allowed", Channel: true},
	smpp.StatusServiceUnauthorised:    {Verdict: channel.Reject, Code: "not_allowed", Channel: true},
	smpp.StatusProhibited:             {Verdict: channel.Reject, Code: "not_allowed", Channel: true},
	smpp.StatusServiceDenied:          {Verdict: channel.Reject, Code: "not_allowed", Channel: true},
}

// answerFailure is what an answer to a submit_sm means, or nil when the part was taken.
func answerFailure(h smpp.Header) *channel.Failure {
	if h.Status == smpp.StatusOK && h.Command != smpp.GenericNack {
		return nil
	}
	f, known := refusals[h.Status]
	if !known {
		f = channel.Failure{Verdict: channel.Reject, Code: "rejected"}
	}
	if h.Command == smpp.GenericNack && f.Verdict == channel.Reject {
		f.Code = "protocol_error"
	}
	f.Native, f.Err = native(h.Status), h.Status
	return &f
}

func native(s smpp.Status) string { return fmt.Sprintf("0x%08X", uint32(s)) }

// linkFailure is what the link's error means for the part: only what surely never left may be tried again.
func linkFailure(err error) *channel.Failure {
	f := &channel.Failure{Err: err}
	switch {
	case errors.Is(err, smpp.ErrInvalid):
		f.Verdict, f.Code = channel.Reject, "invalid_field"
	case errors.Is(err, smpp.ErrNotWritten):
		f.Verdict, f.Code = channel.Retry, "not_connected"
	case errors.Is(err, smpp.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		f.Code = "no_answer"
	default:
		f.Code = "connection_lost"
	}
	return f
}

// bindFailure tells what the operator must mend from what passes.
func bindFailure(err error) *channel.Failure {
	f := &channel.Failure{Verdict: channel.Retry, Code: "no_bind", Err: err}
	status, refused := errors.AsType[smpp.Status](err)
	if !refused {
		return f
	}
	f.Native = native(status)
	switch status {
	case smpp.StatusBindFailed, smpp.StatusInvalidPassword, smpp.StatusInvalidSystemID:
		f.Verdict, f.Code = channel.Reject, "bad_credentials"
	case smpp.StatusInvalidSystemType, smpp.StatusInvalidServiceType:
		f.Verdict, f.Code = channel.Reject, "bad_settings"
	case smpp.StatusAlreadyBound:
		f.Code, f.Pause = "already_bound", rebindPause
	case smpp.StatusThrottled:
		f.Code, f.Pause = "throttled", rebindPause
	}
	return f
}
