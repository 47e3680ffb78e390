package whatsapp_test

import (
	"bytes"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/simulator/whatsapp"
)

func TestTextBothWays(t *testing.T) {
	s := start(t, whatsapp.Config{})
	owner := s.Phone(business)
	owner.Rename("Acme")
	c, d := link(t, s, owner)
	equal(t, "push name", c.Store.PushName, "Acme")
	equal(t, "JID", *c.Store.ID, d.JID())
	p := s.Phone(customer)
	p.AddDevice()
	p.AutoRead(true)

	id := c.text(p.JID(), "Hello")
	got := next(t, p)
	equal(t, "text", got.Text(), "Hello")
	equal(t, "id", got.ID, id)
	equal(t, "sender", got.From, business)
	for range 2 { // one for each device
		await(c, func(e *events.Receipt) bool {
			return e.Type == types.ReceiptTypeDelivered && e.MessageIDs[0] == id && e.Chat == p.LID()
		})
	}
	await(c, func(e *events.Receipt) bool { return e.Type == types.ReceiptTypeRead && e.MessageIDs[0] == id })
	must(t, owner.Await(soon(t), func() bool { return len(owner.Copies()) == 1 }))
	equal(t, "the owner's copy", owner.Copies()[0].Text(), "Hello")

	// In the session that the client began, and by somebody new.
	for _, from := range []*whatsapp.Phone{p, s.Phone("491520000003")} {
		id, err := from.Send(business, whatsapp.Text("Hi there"))
		must(t, err)
		e := c.heard(id)
		equal(t, "text", e.Message.GetConversation(), "Hi there")
		equal(t, "chat", e.Info.Chat, from.LID())
		equal(t, "number", e.Info.SenderAlt.User, from.Number())
		must(t, c.MarkRead(t.Context(), []string{id}, e.Info.Timestamp, e.Info.Chat, e.Info.Sender))
		_, err = from.AwaitReceipt(soon(t), id, "read")
		must(t, err)
		_, err = from.AwaitReceipt(soon(t), id, "delivered")
		must(t, err)
	}
	must(t, d.AwaitSettled(soon(t)))
}

func TestImageBothWays(t *testing.T) {
	s := start(t, whatsapp.Config{})
	c, _ := link(t, s, s.Phone(business))
	p := s.Phone(customer)
	file := bytes.Repeat([]byte("image"), 1000)
	up, err := c.Upload(t.Context(), file, whatsmeow.MediaImage)
	must(t, err)
	_, err = c.SendMessage(t.Context(), p.JID(), &waE2E.Message{ImageMessage: &waE2E.ImageMessage{
		Caption: proto.String("Look"), Mimetype: proto.String("image/jpeg"), URL: &up.URL, DirectPath: &up.DirectPath, MediaKey: up.MediaKey,
		FileEncSHA256: up.FileEncSHA256, FileSHA256: up.FileSHA256, FileLength: &up.FileLength,
	}})
	must(t, err)
	m := next(t, p)
	equal(t, "caption", m.Text(), "Look")
	equal(t, "media type", m.MediaType, "image")
	got, err := s.Download(whatsapp.Media(m.Content))
	must(t, err)
	if !bytes.Equal(got, file) {
		t.Error("the phone downloads another file")
	}

	image, err := s.Image(file, "image/png", "Mine")
	must(t, err)
	id, err := p.Send(business, image)
	must(t, err)
	e := c.heard(id)
	got, err = c.Download(t.Context(), e.Message.GetImageMessage())
	must(t, err)
	if !bytes.Equal(got, file) {
		t.Error("the client downloads another file")
	}
	s.ExpireMedia(410)
	_, err = c.Download(t.Context(), e.Message.GetImageMessage())
	if !errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith410) {
		t.Errorf("an expired file: %v", err)
	}
}
