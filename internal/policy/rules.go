package policy

import (
	"context"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Rules are what holds for the messages of one account. The zero ones let everything pass.
type Rules struct {
	policy  *Policy   // nil: the account has none
	all     *register // nil: nothing holds
	account account.ID
	root    account.ID
}

// For returns the rules of an account.
func (k *Keeper) For(ctx context.Context, a *account.Account) (Rules, error) {
	all, err := k.all.Get(ctx)
	if err != nil {
		return Rules{}, err
	}
	p, _ := all.of(a)
	return Rules{p, all, a.ID, a.Root()}, nil
}

// Trip is where a message goes and as whose.
type Trip struct {
	Kind  message.Kind
	To    message.Address
	From  message.Address
	Alone bool // its recipient is the only one of the request
}

// Check refuses a message to a country that the account does not send to, and one whose sender is not registered where it must be.
func (r Rules) Check(t Trip) error {
	if !r.byCountry() || t.To.Kind != message.Phone { // a group is in no country
		return nil
	}
	country := message.Country(t.To)
	if p := r.policy; p != nil && len(p.Countries) > 0 && !slices.Contains(p.Countries, country) {
		if country == "" {
			return fault.New(fault.CountryNotAllowed, "the number does not tell its country, and the account sends to some countries only").In("to")
		}
		return fault.New(fault.CountryNotAllowed, "the account does not send to %s", country).In("to")
	}
	if t.Kind != message.SMS || !r.needsSender(country) { // on other networks nobody chooses a sender
		return nil
	}
	switch {
	case r.approved(country, t.From), t.Alone && r.policy != nil && t.To == r.policy.OwnNumber:
		return nil
	case t.From.Value == "":
		return fault.New(fault.SenderNotRegistered, "%s needs a registered sender, and the message has none", country).In("from")
	}
	return fault.New(fault.SenderNotRegistered, "%q is not registered for %s", t.From.Display(), country).In("from")
}

// byCountry tells whether any rule asks for the country, which costs something to find out.
func (r Rules) byCountry() bool {
	return r.all != nil && len(r.all.server) > 0 || r.policy != nil && (len(r.policy.Countries) > 0 || len(r.policy.Registered) > 0)
}

// needsSender tells whether a country needs a registered sender.
func (r Rules) needsSender(country string) bool {
	return slices.Contains(r.all.server, country) || r.policy != nil && slices.Contains(r.policy.Registered, country)
}

// approved tells whether the account, or its parent, has the sender registered in the country.
func (r Rules) approved(country string, from message.Address) bool {
	sender := from.String()
	return r.all.approved[approval{r.account, country, sender}] || r.root != r.account && r.all.approved[approval{r.root, country, sender}]
}

// CheckParts refuses a message of more parts than the account sends.
func (r Rules) CheckParts(parts int) error {
	if r.policy == nil || r.policy.MaxParts == 0 || parts <= r.policy.MaxParts {
		return nil
	}
	return fault.New(fault.TextTooLong, "the text has %d parts; the account sends at most %d", parts, r.policy.MaxParts).In("text")
}

// Window is the time in which an identical message is refused, where a request asks for at least so much; 0: it is not. What the
// account has chosen wins.
func (r Rules) Window(asked time.Duration) time.Duration {
	if r.policy != nil && r.policy.Window != nil {
		return *r.policy.Window
	}
	return min(asked, longest)
}
