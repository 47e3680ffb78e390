package api

import (
	"slices"

	"tidings.dev/internal/account"
	"tidings.dev/internal/automation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/key"
)

// MayGive refuses rights that the caller's own key lacks: nobody gets more by making, changing or rotating a key.
func MayGive(c gateway.Caller, k *key.Key) error {
	for _, scope := range k.Scopes {
		if !c.Key.Scopes.Allow(scope) {
			return fault.New(fault.ScopeMissing, "a key gives no scope that it lacks: %s", clip([]byte(scope))).In("scopes")
		}
	}
	senders, channels := make([]string, len(k.Senders)), make([]int64, len(k.Channels))
	for i, a := range k.Senders {
		senders[i] = a.String()
	}
	for i, ch := range k.Channels {
		channels[i] = int64(ch)
	}
	switch {
	case c.Key.Test && !k.Test:
		return fault.New(fault.ScopeMissing, "a test key is for test keys only")
	case !within(senders, c.Key.Senders):
		return fault.New(fault.ScopeMissing, "a key gives no sender that it lacks").In("senders")
	case !within(channels, c.Key.Channels):
		return fault.New(fault.ScopeMissing, "a key gives no channel that it lacks").In("channels")
	case c.Key.SpendLimit > 0 && (k.SpendLimit == 0 || k.SpendLimit > c.Key.SpendLimit):
		return fault.New(fault.ScopeMissing, "a key gives no higher limit than its own").In("spend_limit_micros")
	}
	return nil
}

// MayAutomate refuses a rule that sends to whoever may not send all that the account may: a rule sends without the bounds of a key.
func MayAutomate(c gateway.Caller, r *automation.Rule) error {
	if !r.Sends() {
		return nil
	}
	if f := fault.Of(MayGive(c, &key.Key{Scopes: account.Scopes{account.MessagesSend}})); f != nil {
		return fault.New(f.Code, "a rule sends without the bounds of a key: one with bounds cannot make it").In("action")
	}
	return nil
}

// within reports whether a list has nothing that a bound leaves out. No list is everything, no bound none.
func within[T comparable](list, bound []T) bool {
	return len(bound) == 0 || len(list) > 0 && !slices.ContainsFunc(list, func(t T) bool { return !slices.Contains(bound, t) })
}
