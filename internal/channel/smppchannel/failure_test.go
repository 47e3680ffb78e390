package smppchannel

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/smpp"
)

func TestCase6c02Refusals(t *testing.T) {
	for status, want := range map[smpp.Status]channel.Failure{
		0x58:  {Verdict: channel.Retry, Code: "throttled", Native: "0x00000058", Pause: time.Second, Slow: true},
		0x14:  {Verdict: channel.Retry, Code: "queue_full", Native: "0x00000014"},
		0x08:  {Verdict: channel.Retry, Code: "network_error", Native: "0x00000008"},
		0x64:  {Verdict: channel.Retry, Code: "network_error", Native: "0x00000064"},
		0x45:  {Verdict: channel.Retry, Code: "submit_failed", Native: "0x00000045"},
		0x0A:  {Verdict: channel.Reject, Code: "invalid_sender", Native: "0x0000000A", Channel: true},
		0x0B:  {Verdict: channel.Reject, Code: "unknown_number", Native: "0x0000000B"},
		0x65:  {Verdict: channel.Reject, Code: "rejected", Native: "0x00000065"},
		0x66:  {Verdict: channel.Reject, Code: "rejected", Native: "0x00000066"},
		0x400: {Verdict: channel.Reject, Code: "rejected", Native: "0x00000400"},
	} {
		got := answerFailure(smpp.Header{Command: smpp.SubmitSMResp, Status: status})
		if want.Err = status; *got != want {
			t.Errorf("%s: %+v", status, got)
		}
	}
	if answerFailure(smpp.Header{Command: smpp.SubmitSMResp}) != nil {
		t.Error("ESME_ROK is no failure")
	}
	nack := answerFailure(smpp.Header{Command: smpp.GenericNack})
	if nack == nil || nack.Verdict != channel.Reject || nack.Code != "protocol_error" {
		t.Errorf("%+v", nack)
	}
}

func TestLinkFailures(t *testing.T) {
	for _, row := range []struct {
		err     error
		verdict channel.Verdict
		code    string
	}{
		{fmt.Errorf("%w: %w", smpp.ErrNotWritten, smpp.ErrClosed), channel.Retry, "not_connected"},
		{fmt.Errorf("%w: %w", smpp.ErrNotWritten, context.Canceled), channel.Retry, "not_connected"},
		{fmt.Errorf("%w: %w", smpp.ErrNotWritten, smpp.ErrInvalid), channel.Reject, "invalid_field"},
		{fmt.Errorf("%w: %w", smpp.ErrUnsure, smpp.ErrTimeout), channel.Unsure, "no_answer"},
		{fmt.Errorf("%w: %w", smpp.ErrUnsure, context.Canceled), channel.Unsure, "no_answer"},
		{fmt.Errorf("%w: %w", smpp.ErrUnsure, smpp.ErrLinkDead), channel.Unsure, "connection_lost"},
		{errors.New("anything else"), channel.Unsure, "connection_lost"},
	} {
		if got := linkFailure(row.err); got.Verdict != row.verdict || got.Code != row.code {
			t.Errorf("%v: %+v", row.err, got)
		}
	}
}

func TestBindFailures(t *testing.T) {
	for _, row := range []struct {
		err     error
		verdict channel.Verdict
		code    string
		pause   time.Duration
	}{
		{smpp.StatusBindFailed, channel.Reject, "bad_credentials", 0},
		{smpp.StatusInvalidPassword, channel.Reject, "bad_credentials", 0},
		{smpp.StatusInvalidSystemID, channel.Reject, "bad_credentials", 0},
		{smpp.StatusInvalidSystemType, channel.Reject, "bad_settings", 0},
		{smpp.StatusAlreadyBound, channel.Retry, "already_bound", 10 * time.Second},
		{smpp.StatusThrottled, channel.Retry, "throttled", 10 * time.Second},
		{smpp.StatusSystemError, channel.Retry, "no_bind", 0},
		{smpp.ErrHandshake, channel.Retry, "no_bind", 0},
		{context.DeadlineExceeded, channel.Retry, "no_bind", 0},
	} {
		got := bindFailure(fmt.Errorf("bind: %w", row.err))
		if got.Verdict != row.verdict || got.Code != row.code || got.Pause != row.pause {
			t.Errorf("%v: %+v", row.err, got)
		}
	}
}
