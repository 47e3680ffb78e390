package gateway

import (
	"context"
	"slices"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
	"tidings.dev/internal/store"
)

// terms are what a request says about all of its drafts.
type terms struct {
	alone  bool          // they go to one recipient
	window time.Duration // in which an identical message is refused, unless the account has chosen another
}

// alone tells whether all drafts name the same recipient, in the same way.
func alone(drafts []message.Draft) bool {
	return !slices.ContainsFunc(drafts, func(d message.Draft) bool { return d.To != drafts[0].To || d.Region != drafts[0].Region })
}

// rulesFor are the rules that hold for a message of an account. An answer to a STOP, START or HELP goes out whatever they say.
func (g *Gateway) rulesFor(ctx context.Context, a *account.Account, answers message.ID) (policy.Rules, error) {
	if answers != 0 {
		return policy.Rules{}, nil
	}
	return g.Policies.For(ctx, a)
}

// mayTurn tells whether a message that was accepted may go out with another sender, that of another channel.
func (g *Gateway) mayTurn(ctx context.Context, m *message.Message, from message.Address) (bool, error) {
	if from == m.From {
		return true, nil
	}
	a, _, err := g.Members.Get(ctx, m.Account)
	if err != nil {
		return false, err
	}
	rules, err := g.rulesFor(ctx, &a, m.Answers)
	if err != nil {
		return false, err
	}
	return rules.Check(policy.Trip{Kind: m.Kind, To: m.To, From: from}) == nil, nil
}

// noted is a message that was noted as accepted now, or was found to be a repeat.
type noted struct {
	result *Result
	repeat policy.Repeat
	first  *Result // the one of the same request that it repeats; nil: it repeats none
}

// settleRepeats refuses what was accepted a moment ago, and notes what was not.
func (g *Gateway) settleRepeats(tx *store.Tx, fresh []*acceptance) ([]noted, error) {
	var all []noted
	var repeats []policy.Repeat
	for _, a := range fresh {
		if !a.wary {
			continue
		}
		for i := range a.items {
			if r := &a.reply.Results[i]; r.Fault == nil && a.items[i].repeat.Window > 0 {
				all, repeats = append(all, noted{result: r, repeat: a.items[i].repeat}), append(repeats, a.items[i].repeat)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	repeated, err := g.Policies.Meet(tx, repeats)
	if err != nil {
		return nil, err
	}
	firsts := map[string]*Result{}
	for i := range all {
		n := &all[i]
		if !repeated[i] {
			firsts[n.repeat.Mark] = n.result
			continue
		}
		n.result.Fault, n.first = n.repeat.Fault(), firsts[n.repeat.Mark]
	}
	return slices.DeleteFunc(all, func(n noted) bool { return n.result.Fault != nil && n.first == nil }), nil
}

// takeBackRepeats undoes the note of what was refused for another reason after all. What repeats it within the same request is refused for
// that reason too.
func (g *Gateway) takeBackRepeats(tx *store.Tx, all []noted) error {
	var gone []policy.Repeat
	for _, n := range all {
		switch {
		case n.first == nil && n.result.Fault != nil:
			gone = append(gone, n.repeat)
		case n.first != nil && n.first.Fault != nil:
			f := *n.first.Fault // each its own: a surface may say which field is at fault
			n.result.Fault = &f
		}
	}
	return g.Policies.TakeBack(tx, gone)
}

// marks are those of messages.
type marks map[string]bool

// has reports whether one of the messages that the request brings is among them.
func (m marks) has(a *acceptance) bool {
	for i := range a.items {
		if m[a.items[i].repeat.Mark] {
			return true
		}
	}
	return false
}

// add notes what was accepted of requests.
func (m marks) add(settled []*acceptance) {
	for _, a := range settled {
		for i := range a.items {
			if mark := a.items[i].repeat.Mark; mark != "" && a.reply.Results[i].Fault == nil {
				m[mark] = true
			}
		}
	}
}

// apart tells the requests that can be settled together from those that wait for one of them: whether an identical message is
// accepted must be known before. sent are the marks of which it is known.
func apart(fresh []*acceptance, sent marks) (now, later []*acceptance) {
	if !slices.ContainsFunc(fresh, func(a *acceptance) bool { return a.wary }) {
		return fresh, nil
	}
	waiting := marks{}
	for _, a := range fresh {
		if a.wary && waiting.has(a) {
			later = append(later, a)
			continue
		}
		now = append(now, a)
		for i := range a.items {
			if mark := a.items[i].repeat.Mark; mark != "" && !sent[mark] {
				waiting[mark] = true
			}
		}
	}
	return now, later
}

// previewRepeat is why a message would be refused as a repeat; nil: it would not. seen are the marks of the drafts before it.
func (g *Gateway) previewRepeat(ctx context.Context, r policy.Repeat, seen marks) (*fault.Fault, error) {
	repeated := r.Window > 0 && seen[r.Mark]
	if !repeated {
		var err error
		if repeated, err = g.Policies.Repeated(ctx, r); err != nil || !repeated {
			return nil, err
		}
	}
	return r.Fault(), nil
}
