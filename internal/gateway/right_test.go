package gateway

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

func TestEachKindOfMessageNeedsItsOwnRight(t *testing.T) {
	t.Parallel()
	file := message.Content{Version: 1, Type: message.TypeImage, Media: &message.Media{}}
	for _, c := range []struct {
		draft message.Draft
		right account.Right
	}{
		{message.Draft{}, account.AccessSMS},
		{message.Draft{Kind: message.SMS}, account.AccessSMS},
		{message.Draft{Kind: message.WhatsApp}, account.AccessSMS},
		{message.Draft{Kind: message.WhatsApp, Content: file}, account.AccessSMS},
		{message.Draft{Content: file}, account.AccessMMS},
		{message.Draft{Kind: message.MMS, Content: file}, account.AccessMMS},
		{message.Draft{Kind: message.MMS}, account.AccessMMS},
		{message.Draft{Kind: message.Voice}, account.AccessVoice},
	} {
		for _, denied := range account.AllRights {
			a := account.Account{Denied: account.Denied(0).With(denied, true)}
			if err := mayAll(&a, []message.Draft{c.draft}); fault.Is(err, fault.ScopeMissing) != (denied == c.right) {
				t.Errorf("%q with file %t, without %s: %v", c.draft.Kind, c.draft.Content.Media != nil, denied, err)
			}
		}
		answer := c.draft
		answer.Answers = 1
		if err := mayAll(&account.Account{Denied: account.Denied(0).With(c.right, true)}, []message.Draft{answer}); err != nil {
			t.Errorf("an answer to a STOP: %v", err)
		}
	}
}
