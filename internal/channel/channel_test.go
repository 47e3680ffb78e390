package channel_test

import (
	"testing"

	"tidings.dev/internal/channel"
)

func TestAChannelsSettingsMayDecideTheClass(t *testing.T) {
	d := channel.Driver{Features: channel.Features{Unknown: channel.Dedupe}}
	if d.Class(nil) != channel.Dedupe {
		t.Error("the driver's own class is lost")
	}
	d.Unknown = func(s channel.Settings) channel.Unknown {
		if string(s) == "echo" {
			return channel.Echo
		}
		return channel.Blind
	}
	if d.Class(channel.Settings("echo")) != channel.Echo || d.Class(nil) != channel.Blind {
		t.Error("the settings are not asked")
	}
}
