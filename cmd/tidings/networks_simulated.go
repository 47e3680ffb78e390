//go:build simulated_networks

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"go.mau.fi/whatsmeow"

	"tidings.dev/internal/app"
)

// networks stand in for the real ones in builds for chaos runs and measurements, where the far side is a process of its own:
// SIMULATED_WHATSAPP is its address and the key that its certificates are signed with, in hexadecimal digits.
func networks() []app.Networks {
	address, root, there := strings.Cut(os.Getenv("SIMULATED_WHATSAPP"), ",")
	if !there {
		return nil
	}
	key, err := hex.DecodeString(root)
	if err != nil || copy(whatsmeow.WACertPubKey[:], key) != len(whatsmeow.WACertPubKey) {
		panic(fmt.Sprintf("SIMULATED_WHATSAPP has no key: %q", root))
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return []app.Networks{{WhatsApp: &http.Client{Transport: &http.Transport{DialContext: dial, DialTLSContext: dial, MaxIdleConnsPerHost: 8}}}}
}
