package smppchannel

import (
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"unicode"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/smpp"
)

// encodingWords are the encodings as messages store them.
var encodingWords = map[smpp.Encoding]string{smpp.GSM7: "gsm7", smpp.Latin1: "latin1", smpp.UCS2: "ucs2", smpp.ASCII: "ascii"}

// newSplit returns the driver's Split. It remembers what settings say of texts: reading them costs a hundred times what
// counting a text does, and they stay the same for days.
func newSplit() func(channel.Settings, message.Content) (message.Split, error) {
	var known atomic.Pointer[map[string]profile]
	known.Store(&map[string]profile{})
	return func(s channel.Settings, c message.Content) (message.Split, error) {
		options, ok := (*known.Load())[string(s)]
		if !ok {
			f := channel.ReadForm(s, "SMPP")
			options = profile{textOptions(f), (&config{modes: channel.Choose(f, "bind", "trx", modeWords)}).sends()}
			remember(&known, string(s), options)
		}
		if !options.sends {
			return message.Split{}, fault.New(fault.InvalidField, "this channel only receives").In("channel")
		}
		return split(options.text, c)
	}
}

// profile is what settings say of texts.
type profile struct {
	text  smpp.Options
	sends bool
}

// remember adds to a copy, so that readers need no lock. What two add at once may be kept of one only.
func remember(known *atomic.Pointer[map[string]profile], s string, options profile) {
	next := map[string]profile{s: options}
	if old := *known.Load(); len(old) < maxRemembered {
		maps.Copy(next, old)
	}
	known.Store(&next)
}

const maxRemembered = 256

// split counts first, and cuts only a text of several parts.
func split(options smpp.Options, c message.Content) (message.Split, error) {
	if c.Type != "text" {
		return message.Split{}, fault.New(fault.InvalidField, "an SMS carries text only").In("content")
	}
	if !visible(c.Text) {
		return message.Split{}, fault.New(fault.EmptyText, "the text has no visible character")
	}
	count, err := smpp.CountText(c.Text, options)
	if err != nil {
		return message.Split{}, textFault(err)
	}
	all := message.Split{Encoding: encodingWords[count.Encoding], Units: count.Units, Total: count.Segments}
	switch {
	case options.Method == smpp.Payload: // one PDU, which the network cuts and charges by the segment
		all.Total, all.Segments = 1, count.Segments
	case count.Segments > 1:
		all.Texts, err = cut(c.Text, options)
	}
	return all, err
}

func cut(text string, options smpp.Options) ([]string, error) {
	segments, err := smpp.Split(text, options)
	if err != nil {
		return nil, textFault(err)
	}
	texts := make([]string, len(segments.Parts))
	for i, part := range segments.Parts {
		texts[i] = part.Text
	}
	return texts, nil
}

func textFault(err error) error {
	if long, ok := errors.AsType[*smpp.TooLongError](err); ok {
		return fault.New(fault.TextTooLong, "the text needs %d parts, and %d is the most", long.Parts, smpp.MaxParts)
	}
	return fault.New(fault.InvalidField, "the text is not UTF-8").In("text")
}

// visible tells whether a person would see anything of the text.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}
