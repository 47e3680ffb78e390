package gateway

import (
	"fmt"
	"testing"

	"tidings.dev/internal/message"
)

// What stays is in no span, wherever it lies.
func TestSpansLeaveOutWhatStays(t *testing.T) {
	t.Parallel()
	const over = 100
	row := func(id message.ID, s message.Status, valid int64) oldMessagesRow {
		return oldMessagesRow{ID: id, Status: int16(s), ValidUntil: valid}
	}
	rows := []oldMessagesRow{
		row(1, message.Queued, 1), row(2, message.Sent, 1), row(5, message.Received, 0), row(6, message.Delivered, over),
		row(7, message.Unknown, 1), row(8, message.Scheduled, 1), row(9, message.Held, over), row(12, message.Blocked, over-1),
	}
	if got, want := fmt.Sprint(ending(rows, over)), "[{2 5} {7 7} {12 12}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := ending(nil, over); len(got) != 0 {
		t.Errorf("%v of nothing", got)
	}
}
