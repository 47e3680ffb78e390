// Package whatsapp sends and receives by devices that people have linked to their WhatsApp.
package whatsapp

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Name is the driver's word in settings and tables.
const Name = "whatsapp"

// Options say where the network is.
type Options struct {
	// HTTP makes every connection to the network; nil: to WhatsApp itself.
	HTTP *http.Client
}

// driver is what the sessions of all channels share.
type driver struct {
	http    *http.Client
	version atomic.Pointer[store.WAVersionContainer] // newer than the library's; nil: it is not known to be outdated
	gate    gate
}

// New returns the driver.
func New(opt Options) channel.Driver {
	quietSignal()
	d := &driver{http: opt.HTTP}
	if d.http == nil || d.http.Transport == nil {
		d.http = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	return channel.Driver{
		Name: Name, Kind: message.WhatsApp,
		Features: channel.Features{Receipts: true, Media: true, Types: carried, Unknown: channel.Echo, Strict: true},
		Check:    check,
		Secrets:  []string{"proxy"},
		Split:    split,
		Open:     d.open,
		RemoteID: remoteID,
		Link:     &channel.Link{Pair: d.pair, Forget: forget},
		Care:     careOf,
	}
}

// carried is what goes out besides text.
var carried = []message.Type{
	message.TypeImage, message.TypeVideo, message.TypeAudio, message.TypeVoice, message.TypeDocument, message.TypeSticker, message.TypeLocation,
	message.TypeContact, message.TypePoll, message.TypeButtons, message.TypeReaction, message.TypeEdit, message.TypeDelete,
}

func check(s channel.Settings) error {
	_, err := parse(s)
	return err
}

func careOf(s channel.Settings) channel.Care {
	c, err := parse(s)
	if err != nil {
		return channel.Care{Every: defaultPace, Jitter: defaultJitter, Daily: defaultDaily, WarmUp: defaultWarmUp, First: defaultFirst}
	}
	return c.care
}

// maxText is how many characters of a text, and of a caption, the network carries.
const (
	maxText    = 65536
	maxCaption = 1024
)

// split makes one part of every content: the network carries long texts whole.
func split(_ channel.Settings, c message.Content) (message.Split, error) {
	text := c.Text
	if c.Type == message.TypeButtons {
		text = numbered(c)
	}
	units, most := utf8.RuneCountInString(text), maxText
	if c.Type.Carries() {
		most = maxCaption
	}
	switch {
	case units > most:
		return message.Split{}, fault.New(fault.TextTooLong, "WhatsApp carries %d characters, and these are %d", most, units)
	case needsText(c.Type) && blank(text):
		return message.Split{}, fault.New(fault.EmptyText, "the text is empty")
	}
	return message.Split{Encoding: "unicode", Units: max(1, units), Total: 1}, nil
}

func needsText(t message.Type) bool {
	switch t {
	case message.TypeText, message.TypeButtons, message.TypeEdit, message.TypePoll:
		return true
	}
	return false
}

// blank tells whether nothing of a text would be seen.
func blank(text string) bool {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }) == ""
}

// remoteID is the network's id of a part, in the form that its web client gives them. It is made of what the part is, so that it
// is known before the part leaves, and the same when it leaves again.
func remoteID(m message.Outbound) string {
	var of [16]byte
	binary.BigEndian.PutUint64(of[:], uint64(m.Message))
	binary.BigEndian.PutUint32(of[8:], uint32(m.Attempt))
	binary.BigEndian.PutUint32(of[12:], uint32(m.Number))
	sum := sha256.Sum256(append([]byte("tidings/"), of[:]...))
	return whatsmeow.WebMessageIDPrefix + strings.ToUpper(hex.EncodeToString(sum[:9]))
}

// payload is what a device says of itself when it connects: what the library says, under our name and as a client of the newest
// known version. The library keeps both for all devices together.
func (d *driver) payload(c *config, device *store.Device) *waWa6.ClientPayload {
	p := device.GetClientPayload()
	version := store.GetWAVersion()
	if newer := d.version.Load(); newer != nil {
		version = *newer
	}
	p.UserAgent.AppVersion = version.ProtoAppVersion()
	if registration := p.GetDevicePairingData(); registration != nil {
		hash := version.Hash()
		props := proto.Clone(store.DeviceProps).(*waCompanionReg.DeviceProps)
		props.Os, props.PlatformType = proto.String(c.name), c.platform.kind.Enum()
		props.RequireFullSync = proto.Bool(c.history == fullHistory)
		raw, err := proto.Marshal(props)
		if err == nil {
			registration.DeviceProps = raw
		}
		registration.BuildHash = hash[:]
	}
	return p
}

// renew looks for a newer version of the client than the network has just refused, and reports whether there is one.
func (d *driver) renew(ctx context.Context) (bool, error) {
	newest, err := whatsmeow.GetLatestVersion(ctx, d.http)
	if err != nil {
		return false, err
	}
	current := store.GetWAVersion()
	if known := d.version.Load(); known != nil {
		current = *known
	}
	if !current.LessThan(*newest) {
		return false, nil
	}
	d.version.Store(newest)
	return true, nil
}

// forget drops the device's keys, and all that was kept for it.
func forget(ctx context.Context, env channel.Env) error {
	if env.State == nil {
		return errNoState
	}
	return env.State.Clear(ctx)
}

var errNoState = errors.New("a linked device needs a place for its keys")

// gate lets connections be made one after the other, so that the network does not see a crowd after a start.
type gate struct{ next atomic.Int64 }

// spacing is between two connections: 500 take 10 s.
const spacing = 20 * time.Millisecond

// pass waits for its turn.
func (g *gate) pass(ctx context.Context) error {
	now := time.Now().UnixNano()
	for {
		next := g.next.Load()
		turn := max(now, next)
		if !g.next.CompareAndSwap(next, turn+int64(spacing)) {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(turn - now)):
			return nil
		}
	}
}
