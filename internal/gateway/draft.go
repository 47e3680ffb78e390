package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/number"
	"tidings.dev/internal/policy"
)

// Limits of a draft.
const (
	maxMetadata  = 1024
	maxReference = 255
	maxText      = 64 << 10 // beyond any number of parts; keeps the splitting of nonsense cheap
	maxAhead     = 365 * 24 * time.Hour
	minValidity  = time.Minute
	maxValidity  = 7 * 24 * time.Hour
	grace        = 10 * time.Second // clocks of callers differ
)

// prepared is a draft that passed every check which needs no transaction.
type prepared struct {
	message message.Message
	channel connection.Channel
	spare   bool          // another default channel may carry it
	repeat  policy.Repeat // in which time it must not be like another
	links   *link.Text    // what short links are to stand for; nil: for nothing
	fault   *fault.Fault
}

// prepare checks a draft against the account, its channel and the price book. An error is internal; what is wrong with the
// draft becomes its fault.
func (g *Gateway) prepare(ctx context.Context, c Caller, d message.Draft, t terms, now time.Time) (prepared, error) {
	p, err := g.check(ctx, c, d, t, now)
	if f := fault.Of(err); f != nil {
		p, err = prepared{fault: f}, nil
	}
	return p, err
}

func (g *Gateway) check(ctx context.Context, c Caller, d message.Draft, t terms, now time.Time) (p prepared, err error) {
	m := message.Message{
		Account: c.Account.ID, Direction: message.Out, Kind: d.Kind, Content: d.Content, Priority: d.Priority,
		OnUnknown: d.OnUnknown, Reference: d.Reference, Metadata: d.Metadata, Test: c.Key.Test, Attempt: 1,
		Currency: c.Account.Currency, Status: message.Queued, Answers: d.Answers,
	}
	if err := fillIn(&m, d, c, now, g.Settings.DefaultValidity); err != nil {
		return p, err
	}
	d.Kind = m.Kind
	links, err := g.shorten(&m.Content, d.Shorten)
	if err != nil {
		return p, err
	}
	ch, spare, err := g.channelFor(ctx, c, d)
	if err != nil {
		return p, err
	}
	if err := g.checkLinked(ctx, ch); err != nil {
		return p, err
	}
	m.Channel = ch.ID
	if err := g.sender(ctx, &m, ch, d.From, c.Account.Region); err != nil {
		return p, err
	}
	if err := c.checkBounds(&m, ch); err != nil {
		return p, err
	}
	rules, err := g.rulesFor(ctx, &c.Account, d.Answers)
	if err != nil {
		return p, err
	}
	if err := rules.Check(policy.Trip{Kind: m.Kind, To: m.To, From: m.From, Alone: t.alone}); err != nil {
		return p, err
	}
	if err := g.checkCarried(ch, &m.Content, m.To); err != nil {
		return p, err
	}
	if err := g.checkNamed(ctx, &m, ch); err != nil {
		return p, err
	}
	if err := g.measure(ctx, &m, ch, c, rules); err != nil {
		return p, err
	}
	p = prepared{message: m, channel: ch, spare: spare && !c.bound(), links: links}
	if window := rules.Window(t.window); window > 0 && d.Answers == 0 {
		p.repeat, err = g.Policies.RepeatOf(&m, d.Content, window)
	}
	return p, err
}

// fillIn reads what the caller wrote, and chooses where they chose nothing.
func fillIn(m *message.Message, d message.Draft, c Caller, now time.Time, validity time.Duration) (err error) {
	if m.Kind == "" {
		m.Kind = message.SMS
	}
	if m.To, err = message.ParseRecipient(m.Kind, d.To, cmp.Or(d.Region, c.Account.Region)); err != nil {
		return fault.Of(err).In("to")
	}
	if m.Priority == 0 {
		m.Priority = message.Transactional
	}
	if m.OnUnknown == "" {
		m.OnUnknown = message.DefaultOnUnknown(m.Priority)
	}
	if err := checkContent(&d.Content); err != nil {
		return err
	}
	if err := checkExtras(d); err != nil {
		return err
	}
	return checkTimes(m, d, now, validity)
}

func checkText(text string) error {
	switch {
	case !utf8.ValidString(text):
		return fault.New(fault.InvalidField, "the text is not valid UTF-8").In("text")
	case strings.TrimSpace(text) == "":
		return fault.New(fault.EmptyText, "the text is empty").In("text")
	case len(text) > maxText:
		return fault.New(fault.TextTooLong, "the text is longer than 255 parts").In("text")
	}
	return nil
}

func checkExtras(d message.Draft) error {
	switch {
	case len(d.Reference) > maxReference || !utf8.ValidString(d.Reference):
		return fault.New(fault.InvalidField, "a reference has at most %d bytes of UTF-8", maxReference).In("client_reference")
	case len(d.Metadata) > maxMetadata:
		return fault.New(fault.MetadataTooLarge, "the metadata has %d bytes, at most %d may be", len(d.Metadata), maxMetadata).In("metadata")
	case len(d.Metadata) > 0 && (d.Metadata[0] != '{' || !json.Valid(d.Metadata)):
		return fault.New(fault.InvalidField, "metadata is a JSON object").In("metadata")
	}
	return nil
}

func checkTimes(m *message.Message, d message.Draft, now time.Time, validity time.Duration) error {
	start := now
	if !d.ScheduledAt.IsZero() {
		if d.ScheduledAt.Before(now.Add(-grace)) || d.ScheduledAt.After(now.Add(maxAhead)) {
			return fault.New(fault.InvalidSchedule, "a message may be scheduled from now to one year ahead").In("scheduled_at")
		}
		if d.ScheduledAt.After(now) {
			start, m.Scheduled, m.Status = d.ScheduledAt, d.ScheduledAt.Truncate(time.Millisecond).UTC(), message.Scheduled
		}
	}
	m.ValidUntil = start.Add(validity)
	if !d.ValidUntil.IsZero() {
		if d.ValidUntil.Before(start.Add(minValidity-grace)) || d.ValidUntil.After(start.Add(maxValidity+grace)) {
			return fault.New(fault.InvalidValidity, "a message is valid for at least a minute and at most seven days after it may be sent").In("valid_until")
		}
		m.ValidUntil = d.ValidUntil
	}
	m.ValidUntil = m.ValidUntil.Truncate(time.Millisecond).UTC()
	return nil
}

// sender decides whose name the message carries: the caller's choice if it may be used, else the channel's own.
func (g *Gateway) sender(ctx context.Context, m *message.Message, ch connection.Channel, from, region string) (err error) {
	if from == "" {
		m.From = ch.Sender
		return nil
	}
	if m.From, err = message.ParseSender(from, region); err != nil {
		return fault.Of(err).In("from")
	}
	may, err := g.maySend(ctx, m.Account, ch, m.From)
	if err != nil {
		return err
	}
	if !may {
		return fault.New(fault.InvalidSender, "%q is not yours on this channel", from).In("from")
	}
	return nil
}

// maySend tells whether an account may send as an address by the channel.
func (g *Gateway) maySend(ctx context.Context, a account.ID, ch connection.Channel, from message.Address) (bool, error) {
	rule := number.Rule{Registered: ch.Senders == connection.RegisteredSender, Own: ch.Sender}
	return g.Numbers.MaySend(ctx, a, ch.ID, from, rule)
}

// split cuts a content as the channel's driver does.
func (g *Gateway) split(ch connection.Channel, content message.Content) (message.Split, error) {
	driver, ok := g.drivers[ch.Driver]
	if !ok {
		return message.Split{}, fmt.Errorf("there is no driver %q", ch.Driver)
	}
	return driver.Split(ch.Settings, carried(&driver, content))
}

// measure counts parts and price. Both are kept: a later change of the price book or of the channel changes no message.
func (g *Gateway) measure(ctx context.Context, m *message.Message, ch connection.Channel, c Caller, rules policy.Rules) error {
	split, err := g.split(ch, m.Content)
	if err != nil {
		if f := fault.Of(err); f != nil {
			return f.In("text")
		}
		return err
	}
	if err := rules.CheckParts(split.Charged()); err != nil {
		return err
	}
	m.Total, m.Encoding = split.Total, split.Encoding
	if m.Total > 1 {
		m.Joint = uint16(g.joint.Add(1))
	}
	if c.Key.Test {
		return nil
	}
	price, err := g.Wallet.Quote(ctx, c.Account.Payer(), m.To)
	m.Price = price * int64(split.Charged())
	return err
}
