package clicksend

import (
	"fmt"
	"testing"

	"tidings.dev/internal/event"
	"tidings.dev/internal/message"
)

func TestOutcomesAreThoseOfTheOriginal(t *testing.T) {
	for _, c := range []struct {
		status          message.Status
		reason, network string
		want            string
	}{
		{message.Queued, "", "", "Queued 200 0"},
		{message.Sending, "", "", "Queued 200 0"},
		{message.Scheduled, "", "", "Scheduled 200 0"},
		{message.Held, "", "", "WaitApproval 200 0"},
		{message.Sent, "", "", "Sent 200 0"},
		{message.Unknown, "", "", "Sent 300 16"},
		{message.Delivered, "", "", "Completed 201 0"},
		{message.Read, "", "", "Completed 201 0"},
		{message.Received, "", "", "Received 200 0"},
		{message.Cancelled, "cancelled", "", "Cancelled 301 5"},
		{message.Expired, "expired", "", "Failed 301 17"},
		{message.Blocked, "opted_out", "", "Failed 301 19"},
		{message.Failed, "what nobody has heard of", "", "Failed 301 7"},
		{message.Failed, "undelivered", "", "Failed 301 7"},
		{message.Failed, "undelivered", "001", "Failed 301 8"},
		{message.Failed, "undelivered", "005", "Failed 301 9"},
		{message.Failed, "rejected", "9", "Failed 301 10"},
		{message.Failed, "undelivered", "011", "Failed 301 11"},
		{message.Failed, "undelivered", "027", "Failed 301 12"},
		{message.Failed, "undelivered", "032", "Failed 301 13"},
		{message.Failed, "unknown_number", "0x0000000B", "Failed 301 8"},
		{message.Failed, "network_error", "001", "Failed 301 14"},
		{message.Failed, "rejected", "", "Failed 301 15"},
		{message.Failed, "expired", "027", "Failed 301 17"},
		{message.Failed, "channel_down", "", "Failed 301 18"},
	} {
		got := outcomeOf(c.status, c.reason, c.network)
		if line := fmt.Sprint(got.History, " ", got.Code, " ", got.ErrorCode); line != c.want {
			t.Errorf("%s, %s, %s: %s, want %s", c.status, c.reason, c.network, line, c.want)
		}
		if got.Text == "" || (got.ErrorCode == 0) != (got.ErrorText == "") {
			t.Errorf("%s, %s: %+v", c.status, c.reason, got)
		}
	}
	if o := outcomeOfEvent(event.Retrying, message.Queued, "throttled", ""); o.Code != 300 || o.ErrorCode != 16 {
		t.Errorf("a retry is %+v", o)
	}
	if o := outcomeOfEvent(event.Unconfirmed, message.Sent, "no_receipt", ""); o.Code != 301 || o.ErrorCode != 20 {
		t.Errorf("one without a receipt is %+v", o)
	}
	if o := outcomeOfEvent(event.Delivered, message.Delivered, "", ""); o.Code != 201 {
		t.Errorf("one that was delivered is %+v", o)
	}
}
