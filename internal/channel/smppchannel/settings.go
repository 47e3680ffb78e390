package smppchannel

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // receipts have their SMSC's local time, and a bare server knows no zones

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// config is the settings, read and checked.
type config struct {
	address      string
	tls          *tls.Config // nil: none
	bind         smpp.BindConfig
	modes        []smpp.Command // of each set of binds
	binds        int            // sets
	session      smpp.Config    // of each bind
	command      smpp.Command   // that carries a part: submit_sm or data_sm
	registered   byte           // which receipts are asked for
	echo         bool           // the network repeats our reference in receipts
	service      string
	sender       message.Address
	source, dest numbering
	region       string
	text         smpp.Options
	validity     validity
	receipts     smpp.ReceiptOptions
	rule         smpp.IDRule
	eachNode     bool
}

// sends tells whether the channel has a bind that may send.
func (c *config) sends() bool { return slices.ContainsFunc(c.modes, smpp.Command.Transmits) }

// numbering is what an operator wants instead of our choice of TON and NPI; -1 leaves it.
type numbering struct{ ton, npi int }

// validity is how validity_period is written.
type validity int

const (
	relative validity = iota
	absolute
	unsaid
)

// The words of settings, and what they stand for.
var (
	methodWords   = map[string]smpp.Method{"udh8": smpp.UDH8, "udh16": smpp.UDH16, "sar": smpp.SAR, "payload": smpp.Payload}
	alphabetWords = map[string]smpp.Encoding{"gsm7": smpp.GSM7, "latin1": smpp.Latin1, "ascii": smpp.ASCII}
	languageWords = map[string]smpp.Languages{"turkish": smpp.Turkish, "spanish": smpp.Spanish, "portuguese": smpp.Portuguese}
	commandWords  = map[string]smpp.Command{"submit_sm": smpp.SubmitSM, "data_sm": smpp.DataSM}
	modeWords     = map[string][]smpp.Command{
		"trx": {smpp.BindTransceiver}, "tx": {smpp.BindTransmitter}, "rx": {smpp.BindReceiver}, "tx+rx": {smpp.BindTransmitter, smpp.BindReceiver},
	}
	receiptWords = map[string]byte{
		"final": smpp.RegisteredFinal, "failed": smpp.RegisteredFailure, "all": smpp.RegisteredFinal | smpp.RegisteredIntermediate, "none": smpp.RegisteredNone,
	}
	ruleWords     = map[string]smpp.IDRule{"plain": smpp.IDSame, "hex_to_dec": smpp.IDHexDec, "dec_to_hex": smpp.IDDecHex}
	nodeWords     = map[string]bool{"one": false, "each": true}
	validityWords = map[string]validity{"relative": relative, "absolute": absolute, "none": unsaid}
)

// parse reads the settings. Its error joins one fault for every mistake, and repeats no value that may be a secret.
func parse(s channel.Settings) (*config, error) {
	f := readForm(s)
	c := &config{
		address: f.address("address"),
		bind: smpp.BindConfig{
			SystemID:   f.word("system_id", 1, 64),
			Password:   f.word("password", 0, 64),
			SystemType: f.word("system_type", 0, 12),
		},
		modes: choose(f, "bind", "trx", modeWords),
		binds: f.number("binds", 1, 1, maxBinds),
		session: smpp.Config{
			Window:          f.number("window", smpp.DefaultWindow, 1, smpp.MaxWindow),
			ResponseTimeout: f.period("response_timeout", 60*time.Second, time.Second, 10*time.Minute),
			EnquireInterval: f.period("enquire_interval", 30*time.Second, time.Second, time.Hour),
			EnquireTimeout:  f.period("enquire_timeout", 10*time.Second, time.Second, 10*time.Minute),
		},
		command:    choose(f, "command", "submit_sm", commandWords),
		registered: choose(f, "receipts", "final", receiptWords),
		echo:       f.flag("echo"),

		service:  f.word("service_type", 0, 5),
		sender:   f.sender("sender"),
		source:   numbering{f.number("source_ton", -1, 0, 255), f.number("source_npi", -1, 0, 255)},
		dest:     numbering{f.number("dest_ton", -1, 0, 255), f.number("dest_npi", -1, 0, 255)},
		region:   strings.ToUpper(f.word("region", 0, 2)),
		text:     textOptions(f),
		validity: choose(f, "validity", "relative", validityWords),
		receipts: smpp.ReceiptOptions{Zone: f.zone("time_zone"), AnyClass: f.flag("receipt_without_flag")},
		rule:     choose(f, "remote_id_rule", "plain", ruleWords),
		eachNode: choose(f, "nodes", "one", nodeWords),
	}
	c.tls = tlsConfig(f, c.address)
	return c, f.end()
}

// maxBinds is how many sets of binds a channel may have; networks rarely grant more to one account.
const maxBinds = 16

func textOptions(f *form) smpp.Options {
	o := smpp.Options{
		Alphabet:      choose(f, "data_coding", "gsm7", alphabetWords),
		Method:        choose(f, "concatenation", "udh8", methodWords),
		Transliterate: f.flag("transliterate"),
		Packed:        f.flag("packed"),
	}
	for _, word := range read[[]string](f, "national", nil, "a list of languages") {
		language, known := languageWords[word]
		if !known {
			f.wrong("national", "may hold %s", strings.Join(slices.Sorted(maps.Keys(languageWords)), ", "))
		}
		o.National |= language
	}
	if o.Alphabet != smpp.GSM7 && (o.Packed || o.National != 0) {
		f.wrong("data_coding", "must be gsm7 for packed or national to mean anything")
	}
	if o.National != 0 && o.Method != smpp.UDH8 && o.Method != smpp.UDH16 {
		f.wrong("concatenation", "must be udh8 or udh16 for national alphabets, which a user data header names")
	}
	return o
}

// tlsConfig checks the peer against the system's authorities, or against tls_ca alone when that is given.
func tlsConfig(f *form, address string) *tls.Config {
	wanted, name, authority := f.flag("tls"), f.word("tls_server_name", 0, 253), f.text("tls_ca")
	if !wanted {
		if name != "" || authority != "" {
			f.wrong("tls", "must be true for tls_server_name or tls_ca to mean anything")
		}
		return nil
	}
	if name == "" {
		name, _, _ = net.SplitHostPort(address)
	}
	c := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	if authority != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(authority)) {
			f.wrong("tls_ca", "holds no certificate in PEM form")
		}
	}
	return c
}

// address is host:port.
func (f *form) address(key string) string {
	text := f.text(key)
	if text == "" {
		f.missing(key)
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		f.wrong(key, "must be a host and a port, such as smsc.example:2775")
	}
	return text
}

func (f *form) sender(key string) message.Address {
	sender, err := message.ParseSender(f.text(key), "")
	if err != nil {
		f.wrong(key, "must be a number with its plus, a short code of 3 to 8 digits, or a name of 1 to 11 letters, digits or - _ . &")
	}
	return sender
}

func (f *form) zone(key string) *time.Location {
	name := f.text(key)
	if strings.EqualFold(name, "local") {
		f.wrong(key, "must name a zone, such as Africa/Nairobi")
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		f.wrong(key, "is no time zone; use a name such as Africa/Nairobi or UTC")
	}
	return zone
}
