package whatsapp

import (
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// config is the settings, read and checked.
type config struct {
	name     string // of the device, as the phone's list of linked devices shows it
	platform platform
	care     channel.Care
	calls    calls
	history  history
	online   bool
	proxy    *url.URL // nil: none
}

// platform is what the device says it is: a browser.
type platform struct {
	kind   waCompanionReg.DeviceProps_PlatformType
	client whatsmeow.PairClientType
	shown  string // when a code is typed; the network knows only names of this form
}

// calls is what happens to calls that come in.
type calls struct {
	reject  bool
	message string          // sent to who called; empty: nothing
	except  map[string]bool // numbers whose calls ring on
}

// history is how much of what was written before the link is taken over.
type history int

const (
	noHistory history = iota
	recentHistory
	fullHistory
)

// The words of settings, and what they stand for.
var (
	platformWords = map[string]platform{
		"chrome":  {waCompanionReg.DeviceProps_CHROME, whatsmeow.PairClientChrome, "Chrome (Linux)"},
		"firefox": {waCompanionReg.DeviceProps_FIREFOX, whatsmeow.PairClientFirefox, "Firefox (Linux)"},
		"edge":    {waCompanionReg.DeviceProps_EDGE, whatsmeow.PairClientEdge, "Edge (Windows)"},
		"safari":  {waCompanionReg.DeviceProps_SAFARI, whatsmeow.PairClientSafari, "Safari (Mac OS)"},
	}
	callWords     = map[string]bool{"ring": false, "reject": true}
	historyWords  = map[string]history{"none": noHistory, "recent": recentHistory, "full": fullHistory}
	presenceWords = map[string]bool{"offline": false, "online": true}
)

// The defaults of care: what people who run such devices found to be borne, with room to spare.
const (
	defaultPace   = 3 * time.Second
	defaultJitter = 50
	defaultDaily  = 1000
	defaultWarmUp = 14
	defaultFirst  = 50
)

const (
	maxName     = 50   // characters of the device's name
	maxAnswer   = 1000 // characters of the answer to a call
	maxExcepted = 1000
)

// parse reads the settings. Its error joins one fault for every mistake.
func parse(s channel.Settings) (*config, error) {
	f := channel.ReadForm(s, "WhatsApp")
	c := &config{
		name:     f.Text("name"),
		platform: channel.Choose(f, "platform", "chrome", platformWords),
		care: channel.Care{
			Every:  f.Period("pace", defaultPace, 0, time.Hour),
			Jitter: float64(f.Number("jitter", defaultJitter, 0, 100)) / 100,
			Daily:  f.Number("daily", defaultDaily, 0, 1_000_000),
			WarmUp: f.Number("warm_up", defaultWarmUp, 0, 365),
			First:  f.Number("first", defaultFirst, 1, 1_000_000),
		},
		calls:   readCalls(f),
		history: channel.Choose(f, "history", "none", historyWords),
		online:  channel.Choose(f, "presence", "offline", presenceWords),
		proxy:   readProxy(f),
	}
	if utf8.RuneCountInString(c.name) > maxName {
		f.Wrong("name", "is longer than %d characters", maxName)
	}
	if c.name == "" {
		c.name = "Tidings"
	}
	return c, f.End()
}

func readCalls(f *channel.Form) calls {
	c := calls{reject: channel.Choose(f, "calls", "ring", callWords), message: f.Text("call_message"), except: map[string]bool{}}
	if utf8.RuneCountInString(c.message) > maxAnswer {
		f.Wrong("call_message", "is longer than %d characters", maxAnswer)
	}
	excepted := channel.Read[[]string](f, "call_exceptions", nil, "a list of numbers")
	if len(excepted) > maxExcepted {
		f.Wrong("call_exceptions", "has more than %d numbers", maxExcepted)
		return c
	}
	for _, text := range excepted {
		phone, err := message.ParsePhone(text, "")
		if err != nil {
			f.Wrong("call_exceptions", "may hold numbers with their plus and country, such as +491701234567")
			break
		}
		c.except[phone.Value] = true
	}
	return c
}

var proxySchemes = []string{"http", "https", "socks5"}

// readProxy reads the address of a proxy. It is not repeated, since it may hold a password.
func readProxy(f *channel.Form) *url.URL {
	text := f.Text("proxy")
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Path != "" || !slices.Contains(proxySchemes, u.Scheme) {
		f.Wrong("proxy", "must be the address of a proxy, such as socks5://user:password@proxy.example:1080")
		return nil
	}
	return u
}
