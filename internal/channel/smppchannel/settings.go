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
	f := channel.ReadForm(s, "SMPP")
	c := &config{
		address: readAddress(f, "address"),
		bind: smpp.BindConfig{
			SystemID:   f.Word("system_id", 1, 64),
			Password:   f.Word("password", 0, 64),
			SystemType: f.Word("system_type", 0, 12),
		},
		modes: channel.Choose(f, "bind", "trx", modeWords),
		binds: f.Number("binds", 1, 1, maxBinds),
		session: smpp.Config{
			Window:          f.Number("window", smpp.DefaultWindow, 1, smpp.MaxWindow),
			ResponseTimeout: f.Period("response_timeout", 60*time.Second, time.Second, 10*time.Minute),
			EnquireInterval: f.Period("enquire_interval", 30*time.Second, time.Second, time.Hour),
			EnquireTimeout:  f.Period("enquire_timeout", 10*time.Second, time.Second, 10*time.Minute),
		},
		command:    channel.Choose(f, "command", "submit_sm", commandWords),
		registered: channel.Choose(f, "receipts", "final", receiptWords),
		echo:       f.Flag("echo"),

		service:  f.Word("service_type", 0, 5),
		sender:   readSender(f, "sender"),
		source:   numbering{f.Number("source_ton", -1, 0, 255), f.Number("source_npi", -1, 0, 255)},
		dest:     numbering{f.Number("dest_ton", -1, 0, 255), f.Number("dest_npi", -1, 0, 255)},
		region:   strings.ToUpper(f.Word("region", 0, 2)),
		text:     textOptions(f),
		validity: channel.Choose(f, "validity", "relative", validityWords),
		receipts: smpp.ReceiptOptions{Zone: readZone(f, "time_zone"), AnyClass: f.Flag("receipt_without_flag")},
		rule:     channel.Choose(f, "remote_id_rule", "plain", ruleWords),
		eachNode: channel.Choose(f, "nodes", "one", nodeWords),
	}
	c.tls = tlsConfig(f, c.address)
	return c, f.End()
}

// maxBinds is how many sets of binds a channel may have; networks rarely grant more to one account.
const maxBinds = 16

func textOptions(f *channel.Form) smpp.Options {
	o := smpp.Options{
		Alphabet:      channel.Choose(f, "data_coding", "gsm7", alphabetWords),
		Method:        channel.Choose(f, "concatenation", "udh8", methodWords),
		Transliterate: f.Flag("transliterate"),
		Packed:        f.Flag("packed"),
	}
	for _, word := range channel.Read[[]string](f, "national", nil, "a list of languages") {
		language, known := languageWords[word]
		if !known {
			f.Wrong("national", "may hold %s", strings.Join(slices.Sorted(maps.Keys(languageWords)), ", "))
		}
		o.National |= language
	}
	if o.Alphabet != smpp.GSM7 && (o.Packed || o.National != 0) {
		f.Wrong("data_coding", "must be gsm7 for packed or national to mean anything")
	}
	if o.National != 0 && o.Method != smpp.UDH8 && o.Method != smpp.UDH16 {
		f.Wrong("concatenation", "must be udh8 or udh16 for national alphabets, which a user data header names")
	}
	return o
}

// tlsConfig checks the peer against the system's authorities, or against tls_ca alone when that is given.
func tlsConfig(f *channel.Form, address string) *tls.Config {
	wanted, name, authority := f.Flag("tls"), f.Word("tls_server_name", 0, 253), f.Text("tls_ca")
	if !wanted {
		if name != "" || authority != "" {
			f.Wrong("tls", "must be true for tls_server_name or tls_ca to mean anything")
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
			f.Wrong("tls_ca", "holds no certificate in PEM form")
		}
	}
	return c
}

// readAddress is host:port.
func readAddress(f *channel.Form, key string) string {
	text := f.Text(key)
	if text == "" {
		f.Missing(key)
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		f.Wrong(key, "must be a host and a port, such as smsc.example:2775")
	}
	return text
}

func readSender(f *channel.Form, key string) message.Address {
	sender, err := message.ParseSender(f.Text(key), "")
	if err != nil {
		f.Wrong(key, "must be a number with its plus, a short code of 3 to 8 digits, or a name of 1 to 11 letters, digits or - _ . &")
	}
	return sender
}

func readZone(f *channel.Form, key string) *time.Location {
	name := f.Text(key)
	if strings.EqualFold(name, "local") {
		f.Wrong(key, "must name a zone, such as Africa/Nairobi")
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		f.Wrong(key, "is no time zone; use a name such as Africa/Nairobi or UTC")
	}
	return zone
}
