package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/contact"
	"tidings.dev/internal/event"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/report"
)

// A section of an export reads a page of its lines after a place, and tells the next one; 0: there are no more. What an account
// has besides what it keeps of people is not in the export about one.
type section func(p *Privacy, ctx context.Context, e Export, after int64) (lines []any, next int64, err error)

var sections = []section{
	(*Privacy).messages, (*Privacy).optOuts, (*Privacy).choices, (*Privacy).events, (*Privacy).contacts, (*Privacy).lists, (*Privacy).entries, (*Privacy).usage, (*Privacy).keys,
	(*Privacy).channels, (*Privacy).webhooks, (*Privacy).files, (*Privacy).profile, (*Privacy).rules,
	(*Privacy).policy, (*Privacy).registrations, (*Privacy).templates, (*Privacy).issues,
}

// personal are the sections that are by address.
var personal = sections[:4]

const (
	page       = 100
	longPage   = 50 // of messages, which may have hundreds of parts
	daysAtOnce = 31
)

// stamp is a time as lines show it; empty: never.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// The lines. type says what a line is.
type (
	headLine struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Account string `json:"account"`
		Address string `json:"address,omitempty"`
		At      string `json:"at"`
	}
	messageLine struct {
		Type        string          `json:"type"`
		ID          string          `json:"id"`
		Direction   string          `json:"direction"`
		Kind        string          `json:"kind"`
		Channel     string          `json:"channel"`
		To          string          `json:"to"`
		From        string          `json:"from"`
		Text        string          `json:"text"`
		Content     any             `json:"content,omitempty"` // where it is no plain text
		Chat        string          `json:"chat,omitempty"`
		WrittenAt   string          `json:"written_at,omitempty"`
		Status      string          `json:"status"`
		Reason      string          `json:"reason,omitempty"`
		Encoding    string          `json:"encoding"`
		PriceMicros int64           `json:"price_micros"`
		Currency    string          `json:"currency"`
		Reference   string          `json:"client_reference,omitempty"`
		Metadata    json.RawMessage `json:"metadata,omitempty"`
		Test        bool            `json:"test"`
		Duplicate   bool            `json:"possible_duplicate"`
		Answers     string          `json:"answers,omitempty"`
		CreatedAt   string          `json:"created_at"`
		UpdatedAt   string          `json:"updated_at"`
		ScheduledAt string          `json:"scheduled_at,omitempty"`
		ValidUntil  string          `json:"valid_until,omitempty"`
		Parts       []partLine      `json:"parts"`
		Events      []eventLine     `json:"events"`
		Links       []linkLine      `json:"links,omitempty"`
	}
	partLine struct {
		Attempt  int    `json:"attempt"`
		Number   int    `json:"number"`
		RemoteID string `json:"network_id,omitempty"`
		Status   string `json:"status"`
		Code     string `json:"network_code,omitempty"`
		SentAt   string `json:"sent_at"`
		DoneAt   string `json:"done_at,omitempty"`
	}
	eventLine struct {
		Type    string       `json:"type,omitempty"`
		Subject string       `json:"subject,omitempty"`
		Seq     int          `json:"seq"`
		Kind    event.Kind   `json:"kind"`
		Data    event.Change `json:"data"`
		At      string       `json:"at"`
	}
	optOutLine struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Address string `json:"address"`
		At      string `json:"at"`
	}
	choiceLine struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Address string `json:"address"`
		OptedIn bool   `json:"opted_in"`
		Source  string `json:"source"`
		Word    string `json:"word,omitempty"`
		Actor   string `json:"actor,omitempty"`
		Note    string `json:"note,omitempty"`
		At      string `json:"at"`
	}
	contactLine struct {
		Type          string             `json:"type"`
		ID            string             `json:"id"`
		Number        int32              `json:"number"`
		Addresses     []string           `json:"addresses"`
		Name          string             `json:"name,omitempty"`
		BookName      string             `json:"book_name,omitempty"`
		PushName      string             `json:"push_name,omitempty"`
		Business      string             `json:"business_name,omitempty"`
		Email         string             `json:"email,omitempty"`
		Tags          []string           `json:"tags,omitempty"`
		Attributes    json.RawMessage    `json:"attributes,omitempty"`
		Source        contact.Source     `json:"source"`
		Lists         []string           `json:"lists,omitempty"`
		Merged        []json.RawMessage  `json:"merged,omitempty"` // what contacts that turned out to be this one said otherwise
		Conversations []conversationLine `json:"conversations,omitempty"`
		CreatedAt     string             `json:"created_at"`
		UpdatedAt     string             `json:"updated_at"`
	}
	conversationLine struct {
		ID      string `json:"id"`
		Channel string `json:"channel"`
		LastIn  string `json:"last_inbound_at,omitempty"`
		LastOut string `json:"last_outbound_at,omitempty"`
		Unread  int    `json:"unread"`
	}
	listLine struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Number    int32  `json:"number"`
		Name      string `json:"name"`
		Contacts  int    `json:"contacts"`
		CreatedAt string `json:"created_at"`
	}
	entryLine struct {
		Type         string `json:"type"`
		Subject      string `json:"subject"`
		Kind         string `json:"kind"`
		AmountMicros int64  `json:"amount_micros"`
		Spender      string `json:"spent_by,omitempty"`
		Note         string `json:"note,omitempty"`
		At           string `json:"at"`
	}
	usageLine struct {
		Type    string `json:"type"`
		Day     string `json:"day"`
		Channel string `json:"channel"`
		Kind    string `json:"kind"`
		report.Counts
	}
	keyLine struct {
		Type      string   `json:"type"`
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Hint      string   `json:"hint"`
		Test      bool     `json:"test"`
		Scopes    []string `json:"scopes"`
		ExpiresAt string   `json:"expires_at"`
		RevokedAt string   `json:"revoked_at,omitempty"`
		UsedAt    string   `json:"used_at,omitempty"`
	}
	fileLine struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		State     string `json:"state"`
		Origin    string `json:"origin"`
		Message   string `json:"message,omitempty"`
		MIME      string `json:"mime"`
		Name      string `json:"name"`
		Size      int64  `json:"size"`
		SHA256    string `json:"sha256"`
		At        string `json:"at"`
		ExpiresAt string `json:"expires_at,omitempty"`
	}
	profileLine struct {
		Type      string `json:"type"`
		Username  string `json:"username"`
		Name      string `json:"name"`
		Email     string `json:"email,omitempty"`
		Phone     string `json:"phone_number,omitempty"`
		FirstName string `json:"first_name,omitempty"`
		LastName  string `json:"last_name,omitempty"`
		Notes     string `json:"notes,omitempty"`
	}
	policyLine struct {
		Type       string   `json:"type"`
		Countries  []string `json:"countries,omitempty"`
		Registered []string `json:"registered_countries,omitempty"`
		OwnNumber  string   `json:"own_number,omitempty"`
		Window     string   `json:"repeat_window,omitempty"`
		MaxParts   int      `json:"max_parts,omitempty"`
	}
	registrationLine struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Country   string `json:"country"`
		Sender    string `json:"sender"`
		State     string `json:"state"`
		Reason    string `json:"reason,omitempty"`
		DecidedAt string `json:"decided_at,omitempty"`
		At        string `json:"at"`
	}
	channelLine struct {
		Type     string          `json:"type"`
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Driver   string          `json:"driver"`
		Kind     string          `json:"kind"`
		Sender   string          `json:"sender,omitempty"`
		Enabled  bool            `json:"enabled"`
		Settings json.RawMessage `json:"settings"`
	}
)

func heading(e Export) headLine {
	return headLine{"export", e.ID.String(), e.Account.String(), e.Address.Display(), stamp(e.ID.Time())}
}

func (p *Privacy) messages(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	list, err := p.Gateway.After(ctx, e.Account, e.Address, message.ID(after), message.ID(e.ID), longPage)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range list {
		events, err := p.Events.Of(ctx, e.Account, int64(m.ID))
		if err != nil {
			return nil, 0, err
		}
		links, err := p.linksOf(ctx, &m)
		if err != nil {
			return nil, 0, err
		}
		line := lineOf(&m, events)
		line.Links = links
		lines = append(lines, line)
	}
	if len(list) == longPage {
		next = int64(list[longPage-1].ID)
	}
	return lines, next, nil
}

func lineOf(m *message.Message, events []event.Event) messageLine {
	l := messageLine{
		Type: "message", ID: m.ID.String(), Direction: gateway.DirectionName(m.Direction), Kind: string(m.Kind), Channel: m.Channel.String(),
		To: m.To.Display(), From: m.From.Display(), Text: m.Content.Text, Status: m.Status.String(), Reason: m.Reason, Encoding: m.Encoding,
		PriceMicros: m.Price, Currency: m.Currency, Reference: m.Reference, Metadata: m.Metadata, Test: m.Test, Duplicate: m.Duplicate,
		Answers: m.Answers.String(), CreatedAt: stamp(m.ID.Time()), UpdatedAt: stamp(m.Updated), ScheduledAt: stamp(m.Scheduled),
		ValidUntil: stamp(m.ValidUntil), Parts: make([]partLine, len(m.Parts)), Events: make([]eventLine, len(events)),
	}
	if c := gateway.DataOf(&m.Content); c != nil {
		l.Content = c
	}
	l.Chat, l.WrittenAt = m.Chat.Display(), stamp(m.Written)
	for i, part := range m.Parts {
		l.Parts[i] = partLine{part.Attempt, part.Number, part.RemoteID, part.Status.String(), part.Code, stamp(part.SentAt), stamp(part.DoneAt)}
	}
	for i, v := range events {
		l.Events[i] = eventLine{Seq: v.Seq, Kind: v.Kind, Data: v.Change, At: stamp(v.At)}
	}
	return l
}

func (p *Privacy) optOuts(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	var list []consent.OptOut
	if e.Address.Value != "" {
		one, ok, err := p.Consent.Of(ctx, e.Account, e.Address)
		if !ok || err != nil {
			return nil, 0, err
		}
		list = append(list, one)
	} else if list, err = p.Consent.List(ctx, e.Account, after, page); err != nil {
		return nil, 0, err
	}
	for _, o := range list {
		lines = append(lines, optOutLine{"opt_out", id.Of[consent.OptOut](o.ID).String(), o.Address.Display(), stamp(o.At)})
	}
	if len(list) == page {
		next = list[page-1].ID
	}
	return lines, next, nil
}

func (p *Privacy) choices(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	list, err := p.Consent.Log(ctx, e.Account, e.Address, id.Of[consent.Entry](after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, c := range list {
		lines = append(lines, choiceLine{"consent", c.ID.String(), c.Address.Display(), !c.Out, c.Source, c.Word, c.Actor, c.Note, stamp(c.ID.Time())})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

// events are those of no message: a message's stand with it.
func (p *Privacy) events(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	ask := event.Ask{Account: e.Account, Kinds: []string{"recipient.*", "wallet.*", "channel.*", "key.*", "webhook.*", "contact.*"}, After: event.Place(after), Page: page}
	if e.Address.Value != "" {
		if ask.Subject, err = p.Consent.Subject(ctx, e.Account, e.Address); err != nil || ask.Subject == 0 {
			return nil, 0, err
		}
	}
	list, looked, err := p.Events.Feed(ctx, ask)
	if err != nil || looked == ask.After || looked >= event.PlaceAt(e.ID.Time().Add(time.Second)) {
		return nil, 0, err
	}
	for _, v := range list {
		lines = append(lines, eventLine{"event", id.Of[any](v.Subject).String(), v.Seq, v.Kind, v.Change, stamp(v.At)})
	}
	return lines, int64(looked), nil
}

func (p *Privacy) entries(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Wallet.Entries(ctx, e.Account, after, page)
	if err != nil {
		return nil, 0, err
	}
	for _, w := range list {
		lines = append(lines, entryLine{"wallet_entry", id.Of[any](w.Subject).String(), string(w.Kind), w.Amount, w.Spender.String(), w.Note, stamp(w.At)})
		next = w.Subject
	}
	return lines, next, nil
}

func (p *Privacy) usage(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	first, last := report.DayOf(e.Account.Time()), report.DayOf(e.ID.Time())
	if after != 0 {
		first = report.Day(after)
	}
	list, err := report.Of(ctx, p.Store, e.Account, first, first+daysAtOnce-1)
	if err != nil {
		return nil, 0, err
	}
	for _, u := range list {
		lines = append(lines, usageLine{"usage", u.Day.String(), u.Channel.String(), string(u.Kind), u.Counts})
	}
	if first+daysAtOnce <= last {
		next = int64(first + daysAtOnce)
	}
	return lines, next, nil
}

func (p *Privacy) keys(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Keys.List(ctx, e.Account, account.KeyID(after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range list {
		lines = append(lines, lineOfKey(&k))
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

func lineOfKey(k *key.Key) keyLine {
	scopes := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	return keyLine{"key", k.ID.String(), k.Name, k.Hint, k.Test, scopes, stamp(k.Expires), stamp(k.Revoked), stamp(k.Used)}
}

// files are those of the account: what they are, not their bytes. Those of one person stand in their messages.
func (p *Privacy) files(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Gateway.Media.After(ctx, e.Account, message.MediaID(after), message.MediaID(e.ID), page)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range list {
		lines = append(lines, fileLine{
			"file", f.ID.String(), f.State.String(), string(f.Origin), f.Message.String(), f.MIME, f.Name, f.Size, f.SHA256, stamp(f.ID.Time()), stamp(f.Expires),
		})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

func (p *Privacy) channels(ctx context.Context, e Export, _ int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	all, err := p.Connections.All(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, c := range all {
		if c.Account != e.Account {
			continue
		}
		settings, err := p.Gateway.ShownSettings(c)
		if err != nil {
			return nil, 0, fmt.Errorf("show a channel: %w", err)
		}
		lines = append(lines, channelLine{"channel", c.ID.String(), c.Name, c.Driver, string(c.Kind), c.Sender.Display(), c.Enabled, settings})
	}
	return lines, 0, nil
}

// policy is the account's own one; its parent's is its parent's to take away.
func (p *Privacy) policy(ctx context.Context, e Export, _ int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	held, own, err := p.Gateway.Policies.Get(ctx, &account.Account{ID: e.Account})
	if err != nil || !own {
		return nil, 0, err
	}
	line := policyLine{"policy", held.Countries, held.Registered, held.OwnNumber.Display(), "", held.MaxParts}
	if held.Window != nil {
		line.Window = held.Window.String()
	}
	return []any{line}, 0, nil
}

func (p *Privacy) registrations(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Gateway.Policies.Registrations(ctx, policy.Ask{Account: e.Account, Before: policy.RegistrationID(after), Page: page})
	if err != nil {
		return nil, 0, err
	}
	for _, r := range list {
		lines = append(lines, registrationLine{"registration", r.ID.String(), r.Country, r.Sender.Display(), r.State.String(), r.Reason, stamp(r.Decided), stamp(r.ID.Time())})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

func (p *Privacy) webhooks(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	return p.Webhooks(ctx, e.Account, after, page)
}

// profile is who is behind the account. Its subaccounts export their own.
func (p *Privacy) profile(ctx context.Context, e Export, _ int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	a, _, err := p.Gateway.Members.Get(ctx, e.Account)
	if err != nil {
		return nil, 0, err
	}
	who, err := p.Gateway.Members.Profile(ctx, e.Account)
	return []any{profileLine{"profile", a.Username, a.Name, who.Email, who.Phone, who.FirstName, who.LastName, who.Notes}}, 0, err
}

func (p *Privacy) rules(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	return p.Rules(ctx, e.Account, after, page)
}
