package clicksend

import (
	"strings"

	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
)

// outcome is what became of a message in the words of the original: history, receipts and webhooks tell it alike.
type outcome struct {
	History   string // the status of a row of the history
	Code      int    // status_code
	Text      string // status_text
	ErrorCode int    // 0: none, which is null
	ErrorText string
}

// The status codes of the original.
const (
	codeAccepted  = 200 // queued, scheduled or sent
	codeDelivered = 201
	codeTemporary = 300 // it is tried again
	codeFailed    = 301 // failed or cancelled, for good
)

// trouble is one of the original's error codes.
type trouble struct {
	code int
	text string
}

// The error codes of what failed for good.
var (
	unknownFailure      = trouble{7, "Unknown failure"}
	unknownSubscriber   = trouble{8, "Unknown subscriber"}
	unidentified        = trouble{9, "Unidentified subscriber"}
	illegal             = trouble{10, "Illegal subscriber"}
	notSupported        = trouble{11, "Not supported by the network"}
	absent              = trouble{12, "Absent subscriber"}
	memoryFull          = trouble{13, "The handset's memory is full"}
	networkError        = trouble{14, "Network error"}
	rejectedByNetwork   = trouble{15, "Rejected by the network"}
	timedOut            = trouble{17, "Timed out"}
	noRoute             = trouble{18, "No route to the recipient"}
	antiSpam            = trouble{19, "Stopped by an anti-spam rule"}
	receiptExpired      = trouble{20, "The receipt has expired"}
	temporary           = trouble{16, "Temporary failure, the message is tried again"}
	cancelledByCustomer = trouble{5, "Cancelled"}
)

// troubles are the error codes of our own reasons; any other is an unknown failure.
var troubles = map[string]trouble{
	"unknown_number":       unknownSubscriber,
	"not_on_whatsapp":      unknownSubscriber,
	"invalid_number":       unidentified,
	"invalid_sender":       illegal,
	"not_allowed":          illegal,
	"text_too_long":        notSupported,
	"unsupported":          notSupported,
	"unsupported_content":  notSupported,
	"unsupported_encoding": notSupported,
	"invalid_content":      notSupported,
	"invalid_validity":     notSupported,
	"invalid_field":        notSupported,
	"network_error":        networkError,
	"protocol_error":       networkError,
	"submit_failed":        networkError,
	"connection_lost":      networkError,
	"throttled":            networkError,
	"queue_full":           networkError,
	"rejected":             rejectedByNetwork,
	"no_answer":            timedOut,
	"expired":              timedOut,
	"not_connected":        noRoute,
	"not_linked":           noRoute,
	"unreachable":          noRoute,
	"channel_down":         noRoute,
	"channel_changed":      noRoute,
}

// gsm are the error codes of the networks' own, as far as they are those of GSM (3GPP TS 29.002, 17.6.6), which many networks write
// into their receipts. They say more than that a message could not be delivered.
var gsm = map[string]trouble{
	"1": unknownSubscriber, "5": unidentified, "9": illegal, "11": notSupported, "27": absent, "32": memoryFull, "34": networkError,
}

// outcomeOf is what is told of a message with a status and, where it failed, the reason and the network's own code.
func outcomeOf(s message.Status, reason, network string) outcome {
	switch s {
	case message.Scheduled:
		return outcome{History: "Scheduled", Code: codeAccepted, Text: "Message scheduled for delivery"}
	case message.Queued, message.Sending:
		return outcome{History: "Queued", Code: codeAccepted, Text: "Message queued for delivery"}
	case message.Held:
		return outcome{History: "WaitApproval", Code: codeAccepted, Text: "Message waits for approval"}
	case message.Sent:
		return outcome{History: "Sent", Code: codeAccepted, Text: "Message sent to the network"}
	case message.Delivered, message.Read:
		return outcome{History: "Completed", Code: codeDelivered, Text: "Message delivered to the handset"}
	case message.Received:
		return outcome{History: "Received", Code: codeAccepted, Text: "Message received"}
	case message.Unknown:
		return temporary.as("Sent", codeTemporary, "The network has not said whether it took the message")
	case message.Cancelled:
		return cancelledByCustomer.as("Cancelled", codeFailed, "Message cancelled")
	case message.Expired:
		return timedOut.as("Failed", codeFailed, textFailed)
	case message.Blocked:
		return antiSpam.as("Failed", codeFailed, textFailed)
	default:
		return failureOf(reason, network).as("Failed", codeFailed, textFailed)
	}
}

// outcomeOfEvent is outcomeOf for what one event tells: of a try that failed, that there is another.
func outcomeOfEvent(kind event.Kind, s message.Status, reason, network string) outcome {
	switch kind {
	case event.Retrying:
		return temporary.as("Queued", codeTemporary, "Temporary network error")
	case event.Unconfirmed:
		return receiptExpired.as("Sent", codeFailed, textFailed)
	default:
		return outcomeOf(s, reason, network)
	}
}

const textFailed = "Message delivery failed"

func (t trouble) as(history string, code int, text string) outcome {
	return outcome{history, code, text, t.code, t.text}
}

func failureOf(reason, network string) trouble {
	if t, ok := gsm[strings.TrimLeft(network, "0")]; ok && (reason == "undelivered" || reason == "rejected") {
		return t
	}
	if t, ok := troubles[reason]; ok {
		return t
	}
	return unknownFailure
}
