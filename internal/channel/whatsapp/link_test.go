package whatsapp_test

import (
	"testing"

	"tidings.dev/internal/message"
)

func TestADeviceIsLinkedByQRAndSendsAndReceives(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `{}`)
	who := d.pair()
	if who.Person.Phone != phoneOf(d.phone.Number()) || who.Person.LID.Value != d.phone.LID().User || who.Remote == "" {
		t.Errorf("linked as %+v", who)
	}
	d.open()
	friend := network.Phone(fresh())
	id := d.mustSend(phoneOf(friend.Number()), message.Text("hello"))
	got, err := friend.Next(d.patient())
	if err != nil || got.Text() != "hello" || got.ID != id || got.From != d.phone.Number() {
		t.Errorf("%+v (%v)", got, err)
	}
	if err := friend.Read(id); err != nil {
		t.Fatal(err)
	}
	d.eventually("it is read", func() bool {
		for _, r := range d.sink.Receipts() {
			if r.RemoteID == id && r.Status == message.Read && r.To == phoneOf(friend.Number()) {
				return true
			}
		}
		return false
	})
	answer, err := friend.Reply(got, "hi")
	if err != nil {
		t.Fatal(err)
	}
	in := d.inbounds(1)[0]
	if in.RemoteID != answer || in.From != phoneOf(friend.Number()) || in.To != phoneOf(d.phone.Number()) || in.Content.Text != "hi" || in.Own || in.At.IsZero() {
		t.Errorf("%+v", in)
	}
	if q := in.Content.Quote; q == nil || q.RemoteID != id || q.Text != "hello" || q.From != "" {
		t.Errorf("quote %+v", q)
	}
	d.close()
	d.open()
	d.mustSend(phoneOf(friend.Number()), message.Text("again"))
	if got, err := friend.Next(d.patient()); err != nil || got.Text() != "again" {
		t.Errorf("%+v (%v)", got, err)
	}
}
