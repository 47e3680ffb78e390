package whatsapp_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"tidings.dev/internal/simulator/whatsapp"
)

// TestSlowEndings takes half an hour, in no time: answers and receipts that come late, and an idle connection that lives on.
func TestSlowEndings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, whatsapp.Config{Memory: true})
		c, d := link(t, s, s.Phone(business))
		send := func(number string) (string, error) {
			sent, err := c.SendMessage(t.Context(), types.NewJID(number, types.DefaultUserServer), whatsapp.Text("Hello"))
			return sent.ID, err
		}
		begin := time.Now()
		id, err := send("254711009906")
		must(t, err)
		await(c, func(e *events.Receipt) bool { return e.MessageIDs[0] == id && e.Type == types.ReceiptTypeDelivered })
		equal(t, "a late receipt comes after", time.Since(begin).Round(time.Second), 10*time.Second)

		begin = time.Now()
		_, err = send("254711009909")
		must(t, err)
		equal(t, "a late answer comes after", time.Since(begin).Round(time.Second), 2*time.Second)

		if _, err = send("254711009912"); !errors.Is(err, whatsmeow.ErrMessageTimedOut) {
			t.Errorf("a message without an answer: %v", err)
		}
		equal(t, "it arrived", len(s.Stranger("254711009912").Received()), 1)

		time.Sleep(30 * time.Minute)
		equal(t, "still connected", d.Connected(), true)
		c.text(s.Phone(customer).JID(), "Still here")
		equal(t, "text", next(t, s.Phone(customer)).Text(), "Still here")
		time.Sleep(time.Second) // the library must not be cut off in the middle of a frame
	})
}
