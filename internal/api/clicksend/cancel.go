package clicksend

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
)

// cancelOperations take scheduled messages back.
func (s *server) cancelOperations() []api.Operation {
	return []api.Operation{
		{
			Pattern: "PUT /v3/sms/{message_id}/cancel", ID: "cancelSMS", Summary: "Cancel a scheduled message", Apart: true,
			Handler: s.guarded(account.MessagesSend, s.cancelMessage), Replies: []api.Example{done("Scheduled sms message has been cancelled.", nothing{})},
		},
	}
}

// cancelMessage takes one message back that waits for its time.
func (s *server) cancelMessage(w http.ResponseWriter, r *http.Request) error {
	caller := api.CallerOf(r)
	at, err := id.Parse[message.Message](r.PathValue("message_id"))
	if err != nil {
		return notScheduled()
	}
	m, err := s.core.Gateway.Message(r.Context(), caller.Account.ID, at)
	if err != nil {
		return err
	}
	if m.Status != message.Scheduled {
		return notScheduled()
	}
	if _, err := s.core.Gateway.Cancel(r.Context(), caller, at); err != nil {
		return err
	}
	return answer(w, "Scheduled sms message has been cancelled.", nothing{})
}

func notScheduled() error {
	return fault.New(fault.NotHere, "there is no scheduled message with this id")
}
