package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/mail"
)

// compose says in a sentence what happened, and in another what to do. It holds no secret.
func compose(e event.Event) mail.Message {
	subject, text := words(e)
	return mail.Message{
		Subject: "Tidings: " + subject, At: e.At,
		Text: fmt.Sprintf("%s\n\n%s, account %s, event %d at %s.\n", text, e.Kind, e.Account, e.Seq, e.At.UTC().Format(time.RFC3339)),
	}
}

func words(e event.Event) (subject, text string) {
	switch e.Kind {
	case event.WalletLow:
		w := read[event.Wallet](e)
		return "the balance is low", fmt.Sprintf("The wallet has %s %s left, which is below its threshold of %s. Top it up: messages that it cannot pay are refused.",
			amount(w.Balance), w.Currency, amount(w.Threshold))
	case event.ChannelDown:
		c := read[event.Channel](e)
		return fmt.Sprintf("channel %s is down", c.Name), fmt.Sprintf("The channel %s has no connection: %s. Messages wait until it is back; look at the channel's settings, or ask its network.", c.Name, c.Reason)
	case event.ChannelUp:
		c := read[event.Channel](e)
		return fmt.Sprintf("channel %s is up again", c.Name), fmt.Sprintf("The channel %s is connected again, and what waited for it goes out. There is nothing to do.", c.Name)
	case event.ChannelUnlinked:
		d := read[event.Device](e)
		return fmt.Sprintf("device %s is not linked any more", d.Name), fmt.Sprintf("The device %s is not linked to a phone any more: %s Link it again: until then its messages are refused, and what waits stays.", d.Name, d.Reason)
	case event.ChannelLimited:
		d := read[event.Device](e)
		return fmt.Sprintf("device %s is limited", d.Name), fmt.Sprintf("The network limits the device %s: %s Its messages wait until that is over. Send less by it, and only to people who expect it.", d.Name, d.Reason)
	case event.KeyExpiring:
		k := read[event.Key](e)
		return fmt.Sprintf("an API key expires in %d days", k.Days), fmt.Sprintf("The API key %s (%s) expires at %s. Rotate it, and give the new one to the software that uses it.",
			k.Name, k.Hint, time.Time(k.Expires).UTC().Format(time.RFC3339))
	default:
		w := read[event.Webhook](e)
		return fmt.Sprintf("the webhook to %s was disabled", w.Host), fmt.Sprintf("Nothing is posted to %s any more, because %s. Mend it, make the webhook %s active again, and replay what it missed.", w.Host, w.Reason, w.ID)
	}
}

// read reads what a notice tells.
func read[T event.Facts](e event.Event) (facts T) {
	_ = json.Unmarshal(e.Change.Facts, &facts) // Notice wrote it
	return facts
}

// amount is micro-units in units.
func amount(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return fmt.Sprintf("%s%d.%02d", sign, micros/1_000_000, micros%1_000_000/10_000)
}
