package automation

import (
	"context"

	"tidings.dev/internal/message"
	"tidings.dev/internal/queue"
)

// Act does a job, and nothing notes that it was done.
func (a *Automation) Act(ctx context.Context, t *queue.Task) { a.act(ctx, t) }

// Matching are the rules that a message fires.
func Matching(rules []Rule, m *message.Message) []Rule { return matching(rules, m) }

// InOrder are rules in the order in which their rows are written.
func InOrder(fired map[ID]Rule) []ID { return inOrder(fired) }

// The statements whose plans are looked at.
const (
	NumberedRule = numberedRule
	RulesOf      = rulesOf
	CountRules   = countRules
	TakeTurn     = takeTurn
	DropPauses   = dropPauses
	BoxedAll     = boxedAll
	BoxedUnread  = boxedUnread
	BoxedPage    = boxedPage
	CountUnread  = countUnread
	BoxedOf      = boxedOf
	FirstAnswer  = firstAnswer
	MarkBefore   = markBefore
	MarkMessage  = markMessage
	ForgetBoxed  = forgetBoxed
	DropBoxed    = dropBoxed
)
