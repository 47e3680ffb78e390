package clicksend

import (
	"net/http"
	"strconv"

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
		{
			Pattern: "PUT /v3/sms/cancel-all", ID: "cancelAllSMS", Summary: "Cancel all scheduled messages", Body: cancelRequest{},
			Handler: s.guarded(account.MessagesSend, s.cancelAll), Replies: []api.Example{done(saidCancelled(2), cancelled{2})},
		},
	}
}

type cancelRequest struct {
	CustomString api.Text `json:"custom_string,omitempty" doc:"Only those that have it."`
}

type cancelled struct {
	Count int `json:"count"`
}

func saidCancelled(n int) string { return strconv.Itoa(n) + " sms messages have been cancelled." }

// cancelAll takes back all messages that wait for their time, or those that have a custom string.
func (s *server) cancelAll(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[cancelRequest](r)
	if err != nil {
		return err
	}
	n, err := s.core.Gateway.CancelScheduled(r.Context(), api.CallerOf(r), message.SMS, func(m *message.Message) bool {
		return in.CustomString == "" || knownOf(m.Metadata).CustomString == string(in.CustomString)
	})
	if err != nil {
		return err
	}
	return answer(w, saidCancelled(n), cancelled{n})
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
