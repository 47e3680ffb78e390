// Package trial is the channel of test keys: it reaches no network, charges nothing, and lets the last digits of the
// recipient's number choose what becomes of a text.
package trial

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// Driver makes what a test key sends look as if an SMS network had it.
var Driver = channel.Driver{
	Name:     "trial",
	Kind:     message.SMS,
	Features: channel.Features{Receipts: true, Media: true, Types: types, Kinds: []message.Kind{message.MMS, message.Voice}, Unknown: channel.Blind},
	Check:    check,
	Split:    split,
	EachNode: func(channel.Settings) bool { return true },
	Open:     open,
}

// check refuses everything: there is nothing to set.
func check(s channel.Settings) error {
	if len(s) == 0 {
		return nil
	}
	var keys map[string]any
	if s.Decode(&keys) != nil {
		return fault.New(fault.MalformedBody, "the settings are not a JSON object")
	}
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		faults = append(faults, fault.New(fault.UnknownField, "the trial channel has no settings").In(key))
	}
	return errors.Join(faults...)
}

func open(_ context.Context, env channel.Env) (channel.Session, error) {
	if err := check(env.Settings); err != nil {
		return nil, &channel.Failure{Verdict: channel.Reject, Code: "bad_settings", Err: err}
	}
	return newSession(env), nil
}

// words are the encodings as messages store them.
var words = map[smpp.Encoding]string{smpp.GSM7: "gsm7", smpp.UCS2: "ucs2"}

// types are all: a test key may try what any channel carries.
var types = []message.Type{
	message.TypeImage, message.TypeVideo, message.TypeAudio, message.TypeVoice, message.TypeDocument, message.TypeSticker, message.TypeLocation,
	message.TypeContact, message.TypePoll, message.TypeButtons, message.TypeReaction, message.TypeEdit, message.TypeDelete,
}

// split is what an SMPP channel with default settings does, so that a test key shows the real number of parts.
func split(_ channel.Settings, c message.Content) (message.Split, error) {
	if c.Type != message.TypeText {
		return message.Split{Encoding: "unicode", Units: max(1, utf8.RuneCountInString(c.Text)), Total: 1}, nil
	}
	if !strings.ContainsFunc(c.Text, visible) {
		return message.Split{}, fault.New(fault.EmptyText, "the text has no visible character")
	}
	count, err := smpp.CountText(c.Text, smpp.Options{})
	all := message.Split{Encoding: words[count.Encoding], Units: count.Units, Total: count.Segments}
	if err == nil && count.Segments > 1 {
		all.Texts, err = cut(c.Text)
	}
	if long, ok := errors.AsType[*smpp.TooLongError](err); ok {
		return message.Split{}, fault.New(fault.TextTooLong, "the text needs %d parts, and %d is the most", long.Parts, smpp.MaxParts)
	}
	if err != nil {
		return message.Split{}, fault.New(fault.InvalidField, "the text is not UTF-8").In("text")
	}
	return all, nil
}

func visible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

func cut(text string) (texts []string, err error) {
	segments, err := smpp.Split(text, smpp.Options{})
	for _, part := range segments.Parts {
		texts = append(texts, part.Text)
	}
	return texts, err
}
