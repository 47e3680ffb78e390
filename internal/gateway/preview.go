package gateway

import (
	"cmp"
	"context"
	"unicode/utf8"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/key"
	"tidings.dev/internal/message"
	"tidings.dev/internal/policy"
)

// Preview is what a draft would become.
type Preview struct {
	Message message.Message // as it would be accepted; of a refused draft only what could be read
	Units   int             // of the text, in its encoding's own unit
	Charged int             // parts that are charged for
	Lengths []int           // characters of each part
	Fault   *fault.Fault    // why it would be refused; nil: it would be accepted
}

// Preview tells what drafts would become, in order, and changes nothing. The balance and the key's limit are
// spent in their order, as Submit does.
func (g *Gateway) Preview(ctx context.Context, c Caller, drafts []message.Draft) ([]Preview, error) {
	if len(drafts) > maxDrafts {
		return nil, fault.New(fault.TooManyItems, "%d messages; at most %d in one request", len(drafts), maxDrafts)
	}
	b, err := g.Wallet.Balance(ctx, c.Account.Payer())
	if err != nil && !fault.Is(err, fault.NotHere) {
		return nil, err
	}
	left := b.Available + b.CreditLimit
	budget, err := key.BudgetNow(ctx, g.Store, c.Key)
	if err != nil {
		return nil, err
	}
	previews := make([]Preview, len(drafts))
	t, seen := terms{alone: alone(drafts)}, marks{}
	for i, d := range drafts {
		p, repeat, err := g.preview(ctx, c, d, t)
		if err != nil {
			return nil, err
		}
		if p.Fault == nil {
			if p.Fault, err = g.previewRepeat(ctx, repeat, seen); err != nil {
				return nil, err
			}
		}
		switch {
		case p.Fault != nil:
		case !budget.Spend(c.Key.ID, p.Message.Price):
			p.Fault = overLimit()
		case p.Message.Price > left:
			p.Fault = noBalance()
			budget.Return(c.Key.ID, p.Message.Price)
		default:
			left -= p.Message.Price
			seen[repeat.Mark] = true
		}
		previews[i] = p
	}
	return previews, nil
}

// preview looks at one draft, but not at the balance, nor at what it may repeat.
func (g *Gateway) preview(ctx context.Context, c Caller, d message.Draft, t terms) (p Preview, repeat policy.Repeat, err error) {
	ready, err := g.prepare(ctx, c, d, t, g.Store.Now())
	if err != nil {
		return p, repeat, err
	}
	if ready.fault != nil {
		p.Fault = ready.fault
		if to, err := message.ParsePhone(d.To, cmp.Or(d.Region, c.Account.Region)); err == nil {
			p.Message.To = to
		}
		return p, repeat, nil
	}
	p.Message = ready.message
	split, err := g.split(ready.channel, p.Message.Content)
	if err != nil {
		return p, repeat, err
	}
	p.Units, p.Charged, p.Lengths = split.Units, split.Charged(), []int{utf8.RuneCountInString(p.Message.Content.Text)}
	if len(split.Texts) > 0 {
		p.Lengths = make([]int, len(split.Texts))
		for i, text := range split.Texts {
			p.Lengths[i] = utf8.RuneCountInString(text)
		}
	}
	_, out, err := g.Consent.Of(ctx, c.Account.ID, p.Message.To)
	if out {
		p.Fault = optedOut()
	}
	return p, ready.repeat, err
}
