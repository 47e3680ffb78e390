package smppchannel

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// outgoing is the submit_sm or data_sm of a part.
func (c *config) outgoing(m message.Outbound, now time.Time) (*outgoing, *channel.Failure) {
	out := &outgoing{part: m}
	out.ServiceType, out.RegisteredDelivery = c.service, c.registered
	if m.From == (message.Address{}) {
		m.From = c.sender
	}
	var ok bool
	if out.Source, ok = wireAddress(m.From, c.source); !ok {
		return nil, reject("invalid_sender", "an SMS cannot come from a %s", m.From.Kind)
	}
	if out.Dest, ok = wireAddress(m.To, c.dest); !ok || m.To.Kind == message.NoAddr {
		return nil, reject("unknown_number", "an SMS cannot go to a %s", m.To.Kind)
	}
	segment, ok := c.encode(m)
	if !ok {
		return nil, reject("text_too_long", "part %d of %d does not fit a short message", m.Number, m.Total)
	}
	segment.Fill(&out.Message)
	if c.echo {
		out.TLVs = out.TLVs.AddUint16(smpp.TagUserMessageReference, m.Echo())
	}
	if c.command == smpp.DataSM {
		c.asData(&out.Message, m.ValidUntil, now)
	} else {
		out.ValidityPeriod = c.validUntil(m.ValidUntil, now)
	}
	return out, nil
}

// asData moves what data_sm has no field for into parameters (SMPP 3.4, 4.7.1).
func (c *config) asData(m *smpp.Message, end, now time.Time) {
	if m.ShortMessage != nil {
		m.TLVs, m.ShortMessage = m.TLVs.Add(smpp.TagMessagePayload, m.ShortMessage), nil
	}
	if !end.IsZero() && c.validity != unsaid {
		left := max(1, (end.Sub(now)+time.Second-1)/time.Second)
		m.TLVs = m.TLVs.AddUint32(smpp.TagTimeToLive, uint32(left))
	}
}

func reject(code, format string, args ...any) *channel.Failure {
	return &channel.Failure{Verdict: channel.Reject, Code: code, Err: fmt.Errorf(format, args...)}
}

func (c *config) validUntil(end, now time.Time) string {
	switch {
	case end.IsZero() || c.validity == unsaid:
		return ""
	case c.validity == absolute:
		return smpp.FormatTime(end.UTC())
	}
	return smpp.FormatPeriod(end.Sub(now))
}

// wireAddress chooses type and plan of a number by what it is. A name has one type only (SMPP 3.4, 5.2.5); for numbers
// the operator may want others.
func wireAddress(a message.Address, wanted numbering) (smpp.Address, bool) {
	var wire smpp.Address
	switch a.Kind {
	case message.NoAddr:
		return wire, true // the SMSC puts its own
	case message.Name:
		return smpp.Address{TON: smpp.TONAlphanumeric, NPI: smpp.NPIUnknown, Addr: a.Value}, true
	case message.Phone:
		wire = smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: strings.TrimPrefix(a.Value, "+")}
	case message.Short:
		wire = smpp.Address{TON: smpp.TONNetwork, NPI: smpp.NPIUnknown, Addr: a.Value}
	default:
		return wire, false
	}
	if wanted.ton >= 0 {
		wire.TON = smpp.TON(wanted.ton)
	}
	if wanted.npi >= 0 {
		wire.NPI = smpp.NPI(wanted.npi)
	}
	return wire, true
}

// encode makes the octets of one part, in the encoding chosen for the whole message. The settings may have changed since
// the text was split; then the part goes out in another way that says the same, if it fits.
func (c *config) encode(m message.Outbound) (*smpp.Segment, bool) {
	text := m.Text
	if text == "" && m.Total <= 1 {
		text = m.Content.Text
	}
	chosen := c.text
	chosen.Septets = m.Total > 1
	switch m.Encoding {
	case "ucs2":
		chosen.Alphabet = smpp.UCS2
	case "latin1":
		if c.text.Alphabet != smpp.Latin1 {
			chosen.Alphabet, chosen.Coding = smpp.Latin1, smpp.CodingLatin1
		}
	}
	plain, national, unicode := chosen, chosen, c.text
	plain.Transliterate, unicode.Alphabet = true, smpp.UCS2
	national.National, national.Septets = smpp.AllLanguages, true
	if m.Encoding != "gsm7" {
		national = chosen
	}
	for _, options := range []smpp.Options{chosen, plain, national, c.text, unicode} {
		if segment, ok := encodeAs(text, options, m); ok {
			return segment, true
		}
	}
	return nil, false
}

// encodeAs fails when the alphabet cannot say the text, or the text does not fit one part.
func encodeAs(text string, options smpp.Options, m message.Outbound) (*smpp.Segment, bool) {
	if options.Method == smpp.Payload && m.Total > 1 {
		options.Method = smpp.UDH8
	}
	segments, err := smpp.Split(text, options)
	if err != nil || segments.Encoding != options.Alphabet {
		return nil, false
	}
	if len(segments.Parts) > 1 && m.Total <= 1 { // it was accepted as one part, for message_payload
		options.Method, options.National = smpp.Payload, 0
		if segments, err = smpp.Split(text, options); err != nil || segments.Encoding != options.Alphabet {
			return nil, false
		}
	}
	if len(segments.Parts) > 1 {
		return nil, false
	}
	segment := &segments.Parts[0]
	if m.Total <= 1 {
		return segment, true
	}
	segment.Tie(concat(m, options.Method))
	return segment, segment.AirOctets(segments.Encoding) <= maxAirOctets
}

// maxAirOctets is what one short message carries over the air (3GPP TS 23.040, 9.2.3.24).
const maxAirOctets = 140

func concat(m message.Outbound, method smpp.Method) smpp.Concat {
	join := smpp.Concat{Ref: m.Reference, Total: uint8(m.Total), Number: uint8(m.Number), Wide: method != smpp.UDH8}
	if !join.Wide {
		join.Ref &= 0xFF
	}
	return join
}

// party reads an address as the SMSC writes it; many leave the type of number out, or wrong.
func (c *config) party(a smpp.Address) message.Address {
	digits := strings.TrimPrefix(a.Addr, "+")
	international := a.TON == smpp.TONInternational || digits != a.Addr
	switch {
	case a.Addr == "":
		return message.Address{}
	case a.TON == smpp.TONAlphanumeric || strings.Trim(digits, "0123456789") != "":
		return message.Address{Kind: message.Name, Value: a.Addr}
	case len(digits) <= 6 || len(digits) <= 8 && !international:
		return message.Address{Kind: message.Short, Value: digits}
	case international:
		return message.Address{Kind: message.Phone, Value: "+" + digits}
	}
	return c.guess(a.TON, digits)
}

// guess takes a number of no stated country for an international one if it can be one, else for one of the region.
func (c *config) guess(ton smpp.TON, digits string) message.Address {
	if ton != smpp.TONNational {
		if phone, err := message.ParsePhone("+"+digits, ""); err == nil {
			return phone
		}
	}
	if phone, err := message.ParsePhone(digits, c.region); err == nil {
		return phone
	}
	return message.Address{Kind: message.Short, Value: digits}
}

// inbound is a text, or a part of one, that a phone sent.
func (s *session) inbound(m *smpp.Message) message.Inbound {
	part := smpp.ParseText(m, s.config.text)
	in := message.Inbound{
		Channel: s.env.Channel, From: s.config.party(m.Source), To: s.config.party(m.Dest), Content: message.Text(part.Text),
	}
	in.RemoteID, _ = m.TLVs.Text(smpp.TagReceiptedMessageID)
	if part.Binary {
		in.Content = message.Content{Version: 1, Type: message.TypeBinary, Text: hex.EncodeToString(part.Octets)}
	}
	if part.Concat.IsPart() {
		in.Joint = message.Joint{Reference: int(part.Concat.Ref), Total: int(part.Concat.Total), Number: int(part.Concat.Number)}
	}
	return in
}

// receipt is what the SMSC says of a part. Its source is the part's recipient (SMPP 3.4, appendix B).
func (s *session) receipt(m *smpp.Message, r smpp.Receipt) message.Receipt {
	out := message.Receipt{
		Channel: s.env.Channel, RemoteID: s.config.rule.Receipt(r.ID), RemoteIDs: otherSpellings(s.config.rule, r.ID),
		Status: message.Sent, Code: r.ErrorCode, At: r.Done, Raw: withoutText(m, r),
	}
	if s.config.echo {
		out.Reference = r.Reference
	}
	if to := s.config.party(m.Source); to.Kind == message.Phone {
		out.To = to
	}
	if !r.Final {
		return out
	}
	out.Status, out.Reason = message.Failed, "undelivered"
	switch r.State {
	case smpp.StateDelivered:
		out.Status, out.Reason = message.Delivered, ""
	case smpp.StateExpired:
		out.Reason = "expired"
	case smpp.StateRejected:
		out.Reason = "rejected"
	}
	return out
}

// otherSpellings are the id as written, and the form it had in answers before the rule was set: the parts of then are
// still waited for.
func otherSpellings(rule smpp.IDRule, id string) []string {
	canonical := rule.Receipt(id)
	var others []string
	add := func(other string) {
		if other != canonical && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	add(smpp.IDSame.Receipt(id))
	if rule == smpp.IDHexDec {
		if n, ok := new(big.Int).SetString(canonical, 10); ok {
			add(n.Text(16))
		}
	}
	add(id)
	return others
}

// withoutText is a receipt as it came, but for the quote of the message's own text.
func withoutText(m *smpp.Message, r smpp.Receipt) string {
	var out strings.Builder
	out.WriteString(strings.TrimSpace(strings.TrimSuffix(r.Raw, r.Text)))
	if id, ok := m.TLVs.Text(smpp.TagReceiptedMessageID); ok {
		fmt.Fprintf(&out, " receipted_message_id:%s", id)
	}
	if state, ok := m.TLVs.Uint8(smpp.TagMessageState); ok {
		fmt.Fprintf(&out, " message_state:%d", state)
	}
	if code, ok := m.TLVs.Get(smpp.TagNetworkErrorCode); ok {
		fmt.Fprintf(&out, " network_error_code:%x", code)
	}
	text := strings.TrimSpace(out.String())
	return strings.ToValidUTF8(text[:min(len(text), maxRaw)], "")
}

const maxRaw = 512
