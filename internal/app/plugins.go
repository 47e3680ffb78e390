package app

import (
	"fmt"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/native"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/channel/smppchannel"
	"tidings.dev/internal/channel/trial"
)

// Drivers are the networks Tidings speaks to.
func Drivers() []channel.Driver {
	return []channel.Driver{
		smppchannel.Driver,
		trial.Driver,
	}
}

// surfaces are the APIs Tidings speaks.
func surfaces() []api.Surface {
	return []api.Surface{
		native.Surface,
	}
}

func driverNamed(name string) (channel.Driver, error) {
	for _, d := range Drivers() {
		if d.Name == name {
			return d, nil
		}
	}
	return channel.Driver{}, fmt.Errorf("there is no driver %q", name)
}
