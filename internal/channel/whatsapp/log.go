package whatsapp

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// logger hands on what the library says at worst, without numbers of people and at no length: its texts hold what they are about.
type logger struct{ log *slog.Logger }

var longNumber = regexp.MustCompile(`\d{3,}(\d{2})`)

const maxLine = 300

func (l logger) say(level func(string, ...any), format string, args []any) {
	line := longNumber.ReplaceAllString(fmt.Sprintf(format, args...), "...$1")
	level("whatsapp library", "says", line[:min(len(line), maxLine)])
}

// Warnf hands a warning on as something to look at when one looks closely: most are about one message, which the network repeats.
func (l logger) Warnf(format string, args ...any) { l.say(l.log.Debug, format, args) }

// Errorf hands an error on. That a connection has ended the session says better, and knows whether it was meant to.
func (l logger) Errorf(format string, args ...any) {
	level := l.log.Warn
	if strings.HasPrefix(format, "Error reading from websocket") {
		level = l.log.Debug
	}
	l.say(level, format, args)
}

// Infof is silent: what is worth telling the session tells.
func (l logger) Infof(string, ...any) {}

// Debugf is silent: it shows what people write.
func (l logger) Debugf(string, ...any) {}

// Sub is the same for all parts of the library.
func (l logger) Sub(string) waLog.Logger { return l }
