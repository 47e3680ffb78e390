package whatsapp_test

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/channeltest"
	"tidings.dev/internal/channel/whatsapp"
	far "tidings.dev/internal/simulator/whatsapp"
)

func TestDriver(t *testing.T) {
	channeltest.Run(t, whatsapp.New(whatsapp.Options{HTTP: fleeting()}), newPeer)
}

// newPeer is the simulated WhatsApp with a phone that has linked a device.
func newPeer(t testing.TB) channeltest.Peer {
	d := newDevice(t, `{}`)
	var linked *far.Device
	d.pairBy(func(qr string) { linked = d.scan(qr) })
	return channeltest.Peer{
		Settings: channel.Settings(`{}`), Secrets: []string{"s3cret"}, From: phoneOf(d.phone.Number()), Mute: true, Free: true,
		Env: func(e *channel.Env) { e.State, e.Media = d.state, d.files },
		Flawed: channel.Settings(`{"pace":"soon","jitter":101,"daily":-1,"warm_up":366,"first":0,"calls":"answer","call_exceptions":["s3cret"],"history":"some",
			"platform":"lynx","presence":"away","proxy":"s3cret","pase":"3s","name":"a name that is far too long for the list of linked devices on a phone"}`),
		Flaws: []string{
			"pace", "jitter", "daily", "warm_up", "first", "calls", "call_exceptions", "history", "platform", "presence", "proxy", "pase", "name",
		},
		Inbound: func(from, to, text string) error {
			_, err := network.Phone(from).Send(d.phone.Number(), &waE2E.Message{Conversation: proto.String(text)})
			return err
		},
		Drop: func() { network.Drop(linked) },
		Submits: func() (all []channeltest.Submit) {
			for _, r := range network.History() {
				if r.Op == far.OpMessage && r.Device == linked.JID().String() {
					all = append(all, channeltest.Submit{To: r.To, Text: r.Text})
				}
			}
			return all
		},
	}
}
