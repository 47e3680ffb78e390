package whatsapp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
)

// learned tells what became known of somebody.
func (s *session) learned(jid, alt types.JID) {
	p, err := s.vault.person(s.ctx, jid.ToNonAD(), alt.ToNonAD())
	if err != nil || best(p) == (message.Address{}) {
		return // it is read again with his next message
	}
	_ = s.notice(channel.Notice{People: []message.Person{p}})
}

// People lists everybody whom the device knows. Who is known by two names is listed once.
func (s *session) People(ctx context.Context) ([]message.Person, error) {
	all, err := s.vault.GetAllContacts(ctx)
	if err != nil {
		return nil, err
	}
	var people []message.Person
	listed := map[message.Address]bool{}
	for jid := range all {
		p, err := s.vault.person(ctx, jid, types.EmptyJID)
		if err != nil {
			return nil, err
		}
		if a := best(p); a != (message.Address{}) && !listed[a] {
			listed[a] = true
			people = append(people, p)
		}
	}
	return people, nil
}

// Picture is where the picture of somebody, a group or the device can be fetched; empty when there is none to see.
func (s *session) Picture(ctx context.Context, of message.Address) (string, error) {
	jid := s.me.ToNonAD()
	if of != (message.Address{}) {
		var err error
		if jid, err = jidOf(of); err != nil {
			return "", refuse(err)
		}
	}
	info, err := s.client.GetProfilePictureInfo(ctx, jid, nil)
	switch {
	case errors.Is(err, whatsmeow.ErrProfilePictureNotSet), errors.Is(err, whatsmeow.ErrProfilePictureUnauthorized):
		return "", nil
	case err != nil:
		return "", before(sendFailure(err))
	case info == nil:
		return "", nil
	}
	return info.URL, nil
}

// Checks are what gets devices banned when there are many: each answer is kept for a while, a question asks about some numbers
// only, and there are few questions in a minute.
const (
	checkKept  = 24 * time.Hour
	checkMost  = 50  // numbers in a question
	checkQuota = 100 // numbers in a minute that are not known yet
	checkRoom  = 2000
)

// checks remembers who has an account.
type checks struct {
	mu    sync.Mutex
	known map[string]checked
	asked []time.Time // one for each number asked for in the last minute
}

type checked struct {
	known channel.Known
	at    time.Time
}

func newChecks() *checks { return &checks{known: map[string]checked{}} }

// recall returns what is known, and which numbers are not. It fails when they are too many for now.
func (c *checks) recall(phones []message.Address) (known map[string]channel.Known, ask []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	known = map[string]channel.Known{}
	for _, p := range phones {
		if k, ok := c.known[p.Value]; ok && now.Sub(k.at) < checkKept {
			known[p.Value] = k.known
		} else if !slices.Contains(ask, p.Value) {
			ask = append(ask, p.Value)
		}
	}
	c.asked = slices.DeleteFunc(c.asked, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(c.asked)+len(ask) > checkQuota {
		return nil, nil, &channel.Failure{Verdict: channel.Retry, Code: "throttled", Pause: time.Minute, Err: errors.New("too many numbers are looked up; WhatsApp bans devices for that")}
	}
	for range ask {
		c.asked = append(c.asked, now)
	}
	return known, ask, nil
}

func (c *checks) keep(k channel.Known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= checkRoom {
		clear(c.known)
	}
	c.known[k.Phone.Value] = checked{k, time.Now()}
}

// Check tells which numbers have an account.
func (s *session) Check(ctx context.Context, phones []message.Address) ([]channel.Known, error) {
	for _, p := range phones {
		if p.Kind != message.Phone {
			return nil, refuse(errNoAddress)
		}
	}
	known, ask, err := s.checks.recall(phones)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(ask, checkMost) {
		if err := s.ask(ctx, some, known); err != nil {
			return nil, err
		}
	}
	list := make([]channel.Known, len(phones))
	for i, p := range phones {
		list[i] = known[p.Value]
	}
	return list, nil
}

// ask asks the network about numbers. One that it does not answer for has no account.
func (s *session) ask(ctx context.Context, phones []string, known map[string]channel.Known) error {
	answers, err := s.client.IsOnWhatsApp(ctx, phones)
	if err != nil {
		return before(sendFailure(err))
	}
	for _, phone := range phones {
		known[phone] = channel.Known{Phone: message.Address{Kind: message.Phone, Value: phone}}
	}
	for _, a := range answers {
		phone := "+" + trimPlus(a.Query)
		k, asked := known[phone]
		if !asked || !a.IsIn {
			continue
		}
		k.There = true
		if k.Person, err = s.vault.person(ctx, a.JID, a.PhoneNumber); err != nil {
			return err
		}
		k.Person.Phone = k.Phone
		if a.VerifiedName != nil {
			k.Person.Business = a.VerifiedName.Details.GetVerifiedName()
		}
		known[phone] = k
	}
	for _, phone := range phones {
		s.checks.keep(known[phone])
	}
	return nil
}

func trimPlus(text string) string {
	if text != "" && text[0] == '+' {
		return text[1:]
	}
	return text
}
