package whatsapp

import (
	"bytes"
	"testing"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// TestHandshakeMeetsTheLibrarys lets the library's own half of the handshake meet ours.
func TestHandshakeMeetsTheLibrarys(t *testing.T) {
	a, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	device, theirs, ours := keys.NewKeyPair(), keys.NewKeyPair(), keys.NewKeyPair()
	client := socket.NewNoiseHandshake()
	client.Start(socket.NoiseStartPattern, socket.WAConnHeader)
	client.Authenticate(theirs.Pub[:])
	first, _ := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{Ephemeral: theirs.Pub[:]}})
	server, err := newNoise(socket.WAConnHeader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := server.hello(a, ours, first)
	if err != nil {
		t.Fatal(err)
	}
	var hello waWa6.HandshakeMessage
	if err := proto.Unmarshal(raw, &hello); err != nil {
		t.Fatal(err)
	}
	ephemeral := [32]byte(hello.GetServerHello().GetEphemeral())
	client.Authenticate(ephemeral[:])
	must(t, client.MixSharedSecretIntoKey(*theirs.Priv, ephemeral))
	static, err := client.Decrypt(hello.GetServerHello().GetStatic())
	must(t, err)
	must(t, client.MixSharedSecretIntoKey(*theirs.Priv, [32]byte(static)))
	chain, err := client.Decrypt(hello.GetServerHello().GetPayload())
	must(t, err)
	if !bytes.Equal(chain, a.chain) {
		t.Error("the client reads another certificate")
	}
	finish := &waWa6.HandshakeMessage_ClientFinish{Static: client.Encrypt(device.Pub[:])}
	must(t, client.MixSharedSecretIntoKey(*device.Priv, ephemeral))
	payload, _ := proto.Marshal(&waWa6.ClientPayload{Username: proto.Uint64(254700000001)})
	finish.Payload = client.Encrypt(payload)
	last, _ := proto.Marshal(&waWa6.HandshakeMessage{ClientFinish: finish})
	key, who, err := server.finish(ours, last)
	if err != nil || !bytes.Equal(key, device.Pub[:]) || who.GetUsername() != 254700000001 {
		t.Errorf("the server reads %x, %v, %v", key, who, err)
	}
	if _, _, err := server.finish(ours, last[:len(last)-1]); err == nil {
		t.Error("a cut message is taken")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
