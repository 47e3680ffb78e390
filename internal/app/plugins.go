package app

import (
	"net/http"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/bulksms"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/api/device"
	"tidings.dev/internal/api/klik"
	"tidings.dev/internal/api/native"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/smppchannel"
	"tidings.dev/internal/channel/trial"
	"tidings.dev/internal/channel/whatsapp"
)

// drivers are the networks Tidings speaks to.
func drivers(n Networks) []channel.Driver {
	return []channel.Driver{
		smppchannel.Driver,
		whatsapp.New(whatsapp.Options{HTTP: n.WhatsApp}),
		trial.Driver,
	}
}

// Networks are networks that stand in for the real ones. The zero value has none.
type Networks struct {
	WhatsApp *http.Client // makes every connection to WhatsApp
}

// one is the only one, or none.
func one(n []Networks) Networks {
	if len(n) == 0 {
		return Networks{}
	}
	return n[0]
}

// surfaces are the APIs Tidings speaks.
func surfaces() []api.Surface {
	return []api.Surface{
		native.Surface,
		bulksms.Surface,
		klik.Surface,
		device.Surface,
		clicksend.Surface,
	}
}
