package gateway

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Limits of contents, as the networks have them.
const (
	maxCaption  = 1024 // characters
	maxQuestion = 255
	minOptions  = 2
	maxOptions  = 12
	maxOption   = 100
	maxReplies  = 3
	maxReplyID  = 256
	maxTitle    = 20
	maxHeader   = 60
	maxPlace    = 1000
	maxCards    = 10
	maxVCard    = 64 << 10 // bytes
	maxEmoji    = 64       // bytes
	maxMentions = 100
)

// texts are the types that need a text, and how many characters it may have; 0: as many as the channel carries.
var texts = map[message.Type]int{message.TypeText: 0, message.TypeEdit: 0, message.TypePoll: maxQuestion, message.TypeButtons: maxCaption}

// captioned are the types whose text may be left out.
var captioned = map[message.Type]int{message.TypeImage: maxCaption, message.TypeVideo: maxCaption, message.TypeDocument: maxCaption}

// checkContent refuses what makes no sense, whichever channel is to carry it. A fault names the field below content, but for the text of
// a message that is a text.
func checkContent(c *message.Content) error {
	if c.Type == message.TypeText {
		if err := checkText(c.Text); err != nil {
			return err
		}
		if c.Plain() && c.Media == nil && c.Location == nil && c.Cards == nil && c.Options == nil && c.Buttons == nil && c.About == nil {
			return nil
		}
	}
	for _, check := range []func(*message.Content) error{checkSendable, checkWords, checkFields, checkPlace, checkCards, checkPoll, checkButtons, checkRefs} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func wrong(field, format string, args ...any) error {
	return fault.New(fault.InvalidField, format, args...).In("content." + field)
}

func checkSendable(c *message.Content) error {
	switch c.Type {
	case message.TypeText, message.TypeLocation, message.TypeContact, message.TypePoll, message.TypeButtons, message.TypeReaction, message.TypeEdit, message.TypeDelete:
		return nil
	default:
		if c.Type.Carries() {
			return nil
		}
		return wrong("type", "no content of type %.20q can be sent", c.Type)
	}
}

// checkWords looks at the text: whether there must, may or must not be one.
func checkWords(c *message.Content) error {
	if !utf8.ValidString(c.Text) {
		return wrong("text", "the text is not valid UTF-8")
	}
	most, needed := texts[c.Type]
	if needed {
		if c.Type != message.TypeText && strings.TrimSpace(c.Text) == "" {
			return fault.New(fault.EmptyText, "the text is empty").In("content.text")
		}
	} else {
		var may bool
		if most, may = captioned[c.Type]; !may && c.Type != message.TypeReaction && c.Text != "" {
			return wrong("text", "a content of type %s has no text", c.Type)
		}
	}
	if most > 0 && utf8.RuneCountInString(c.Text) > most || len(c.Text) > maxText {
		return fault.New(fault.TextTooLong, "the text of a %s has at most %d characters", c.Type, max(most, maxText)).In("content.text")
	}
	if c.Type == message.TypeReaction && (len(c.Text) > maxEmoji || strings.ContainsAny(c.Text, " \n\t")) {
		return wrong("text", "a reaction is one emoji, or empty to take it back")
	}
	return nil
}

// checkFields refuses fields that the type does not have, and wants those that it has.
func checkFields(c *message.Content) error {
	about := c.Type == message.TypeReaction || c.Type == message.TypeEdit || c.Type == message.TypeDelete
	for _, f := range []struct {
		name        string
		there, want bool
	}{
		{"media", c.Media != nil, c.Type.Carries()},
		{"location", c.Location != nil, c.Type == message.TypeLocation},
		{"cards", len(c.Cards) > 0, c.Type == message.TypeContact},
		{"options", len(c.Options) > 0, c.Type == message.TypePoll},
		{"buttons", c.Buttons != nil, c.Type == message.TypeButtons},
		{"about", c.About != nil, about},
	} {
		switch {
		case f.there && !f.want:
			return wrong(f.name, "a content of type %s has no %s", c.Type, f.name)
		case f.want && !f.there:
			return fault.New(fault.MissingField, "a content of type %s has %s", c.Type, f.name).In("content." + f.name)
		}
	}
	switch {
	case c.Choices != 0 && c.Type != message.TypePoll:
		return wrong("choices", "only a poll has choices")
	case c.Quote != nil && about:
		return wrong("quote", "a content of type %s replies to nothing", c.Type)
	case c.Preview && c.Type != message.TypeText:
		return wrong("preview", "only a text has a preview")
	}
	return nil
}

func checkPlace(c *message.Content) error {
	l := c.Location
	switch {
	case l == nil:
		return nil
	case math.IsNaN(l.Latitude) || l.Latitude < -90 || l.Latitude > 90:
		return wrong("location.latitude", "a latitude is from -90 to 90 degrees")
	case math.IsNaN(l.Longitude) || l.Longitude < -180 || l.Longitude > 180:
		return wrong("location.longitude", "a longitude is from -180 to 180 degrees")
	case !short(l.Name, maxPlace) || !short(l.Address, maxPlace):
		return wrong("location", "a name and an address have at most %d characters", maxPlace)
	}
	return nil
}

// onEarth reports whether a place has coordinates that can be: who wrote what came in may have made up any.
func onEarth(l *message.Location) bool {
	return math.Abs(l.Latitude) <= 90 && math.Abs(l.Longitude) <= 180
}

// short reports whether a text is valid and has at most so many characters.
func short(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most
}

func checkCards(c *message.Content) error {
	if len(c.Cards) > maxCards {
		return wrong("cards", "at most %d contacts in one message", maxCards)
	}
	for i, card := range c.Cards {
		field := fmt.Sprintf("cards[%d]", i)
		switch {
		case strings.TrimSpace(card.Name) == "" || !short(card.Name, maxPlace):
			return wrong(field+".name", "a contact has a name of at most %d characters", maxPlace)
		case (card.VCard == "") == (len(card.Phones) == 0):
			return wrong(field, "a contact has phones, or a vCard")
		case len(card.VCard) > maxVCard || !utf8.ValidString(card.VCard):
			return wrong(field+".vcard", "a vCard has at most %d bytes of UTF-8", maxVCard)
		case card.VCard != "" && !vCard.MatchString(card.VCard):
			return wrong(field+".vcard", "a vCard begins with BEGIN:VCARD and ends with END:VCARD")
		case len(card.Phones) > maxCards:
			return wrong(field+".phones", "at most %d phones", maxCards)
		}
		for k, phone := range card.Phones {
			if _, err := message.ParsePhone(phone, ""); err != nil {
				return wrong(fmt.Sprintf("%s.phones[%d]", field, k), "a phone is written as +E.164")
			}
		}
	}
	return nil
}

// vCard is how a card begins and ends (RFC 6350, 3.3).
var vCard = regexp.MustCompile(`(?is)^BEGIN:VCARD\r?\n.*\nEND:VCARD\s*$`)

func checkPoll(c *message.Content) error {
	if c.Type != message.TypePoll {
		return nil
	}
	if len(c.Options) < minOptions || len(c.Options) > maxOptions {
		return wrong("options", "a poll has from %d to %d options", minOptions, maxOptions)
	}
	for i, o := range c.Options {
		if strings.TrimSpace(o) == "" || !short(o, maxOption) || slices.Contains(c.Options[:i], o) {
			return wrong(fmt.Sprintf("options[%d]", i), "each option is another text of at most %d characters", maxOption)
		}
	}
	if c.Choices < 0 || c.Choices > len(c.Options) {
		return wrong("choices", "one person may choose from 1 to %d options, or with 0 any number", len(c.Options))
	}
	return nil
}

func checkButtons(c *message.Content) error {
	b := c.Buttons
	switch {
	case b == nil:
		return nil
	case !short(b.Header, maxHeader):
		return wrong("buttons.header", "a header has at most %d characters", maxHeader)
	case !short(b.Footer, maxHeader):
		return wrong("buttons.footer", "a footer has at most %d characters", maxHeader)
	case len(b.Replies) == 0 || len(b.Replies) > maxReplies:
		return wrong("buttons.replies", "there are from 1 to %d replies", maxReplies)
	}
	for i, r := range b.Replies {
		field, before := fmt.Sprintf("buttons.replies[%d]", i), b.Replies[:i]
		switch {
		case r.ID == "" || !short(r.ID, maxReplyID) || slices.ContainsFunc(before, func(o message.Button) bool { return o.ID == r.ID }):
			return wrong(field+".id", "each reply has an id of its own of at most %d characters", maxReplyID)
		case strings.TrimSpace(r.Title) == "" || !short(r.Title, maxTitle) || slices.ContainsFunc(before, func(o message.Button) bool { return o.Title == r.Title }):
			return wrong(field+".title", "each reply has a title of its own of at most %d characters", maxTitle)
		}
	}
	return nil
}

// checkRefs looks at who and what a content names. Which messages those are is looked up later.
func checkRefs(c *message.Content) error {
	for name, ref := range map[string]*message.Ref{"quote": c.Quote, "about": c.About} {
		if ref != nil && ref.Message == 0 {
			return wrong(name+".message", "name a message by its id")
		}
	}
	if len(c.Mentions) > maxMentions {
		return wrong("mentions", "at most %d people", maxMentions)
	}
	for i, m := range c.Mentions {
		a, err := message.ParseRecipient(message.WhatsApp, m, "")
		if err != nil || a.Kind == message.Group {
			return wrong(fmt.Sprintf("mentions[%d]", i), "a mention is the address of a person")
		}
	}
	return nil
}

// mentions are the people that a content names, as they are stored.
func mentions(list []string) []string {
	stored := slices.Clone(list)
	for i, m := range stored {
		if a, err := message.ParseRecipient(message.WhatsApp, m, ""); err == nil {
			stored[i] = a.String()
		}
	}
	return stored
}

// checkCarried refuses what the channel's network does not carry. Buttons are carried by every network, where need be as a text.
func (g *Gateway) checkCarried(ch connection.Channel, c *message.Content, to message.Address) error {
	if c.Plain() && to.Kind == message.Phone {
		return nil
	}
	f := g.drivers[ch.Driver].Features
	switch rich := len(f.Types) > 0; {
	case c.Type != message.TypeText && c.Type != message.TypeButtons && !slices.Contains(f.Types, c.Type):
		return fault.New(fault.UnsupportedContent, "the channel carries no content of type %s", c.Type).In("content.type")
	case c.Quote != nil && !rich:
		return fault.New(fault.UnsupportedContent, "the channel carries no replies to messages").In("content.quote")
	case len(c.Mentions) > 0 && !rich:
		return fault.New(fault.UnsupportedContent, "the channel carries no mentions").In("content.mentions")
	case c.Preview && !rich:
		return fault.New(fault.UnsupportedContent, "the channel carries no previews").In("content.preview")
	case to.Kind != message.Phone && !rich:
		return fault.New(fault.UnsupportedContent, "the channel reaches phone numbers only").In("to")
	}
	return nil
}

// carried is a content as the driver's network carries it: quick replies become a numbered text where there are none.
func carried(d *channel.Driver, c message.Content) message.Content {
	if c.Type != message.TypeButtons || c.Buttons == nil || slices.Contains(d.Features.Types, message.TypeButtons) {
		return c
	}
	var lines []string
	if c.Buttons.Header != "" {
		lines = append(lines, c.Buttons.Header, "")
	}
	lines = append(lines, c.Text, "")
	for i, r := range c.Buttons.Replies {
		lines = append(lines, fmt.Sprintf("%d. %s", i+1, r.Title))
	}
	if c.Buttons.Footer != "" {
		lines = append(lines, "", c.Buttons.Footer)
	}
	plain := message.Text(strings.Join(lines, "\n"))
	plain.Quote, plain.Mentions = c.Quote, c.Mentions
	return plain
}

// checkNamed looks up what a content names: its file, and the messages that it replies to or is about.
func (g *Gateway) checkNamed(ctx context.Context, m *message.Message, ch connection.Channel) error {
	if m.Content.Plain() {
		return nil
	}
	if err := g.checkFile(ctx, m); err != nil {
		return err
	}
	m.Content.Mentions = mentions(m.Content.Mentions)
	return g.checkNamedMessages(ctx, m, ch)
}
