package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) outcomeOperations() []operation {
	return []operation{
		op[resolveInput, output[MessageReply]]("POST /messages/{id}/resolve", account.MessagesSend, "resolveMessage", "Decide about a message whose outcome is unknown", s.resolveMessage).once(),
		op[PageInput, output[page[receiptReply]]]("GET /receipts/unmatched", account.MessagesRead, "listUnmatchedReceipts", "List receipts that fit no message", s.listUnmatched),
	}
}

// resolveRequest is a decision.
type resolveRequest struct {
	Outcome string `json:"outcome" doc:"What to take it for: the network took it, it did not, or it goes out once more and may come twice." enum:"sent,failed,resend"`
}

type resolveInput struct {
	IDInput
	Body resolveRequest
}

// resolveMessage decides about a message of which nobody knows whether the network took it.
func (s *server) resolveMessage(w http.ResponseWriter, r *http.Request) error {
	at, err := pathID[message.Message](r, "id")
	if err != nil {
		return err
	}
	c := api.CallerOf(r)
	if _, err := s.core.Gateway.Message(r.Context(), c.Account.ID, at); err != nil {
		return err
	}
	in, err := api.Decode[resolveRequest](r)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		m, err := s.core.Gateway.Resolve(tx, c, at, gateway.Resolution(in.Outcome))
		return showMessage(&m), err
	})
}

// receiptReply is a receipt that fits no message of ours.
type receiptReply struct {
	ID        string  `json:"id" format:"uuid"`
	Channel   string  `json:"channel" format:"uuid"`
	RemoteID  string  `json:"remote_id" doc:"The network's id of what it tells about."`
	To        string  `json:"to" doc:"The recipient, as the network names it; may be empty."`
	Status    string  `json:"status" enum:"sent,failed,delivered,read"`
	Reason    string  `json:"reason,omitempty"`
	Code      string  `json:"code" doc:"The network's error."`
	Raw       string  `json:"raw" doc:"As the network wrote it, without the text of the message."`
	At        *string `json:"at" format:"date-time" nullable:"true" doc:"When it happened, as the network says."`
	CreatedAt string  `json:"created_at" format:"date-time" doc:"When the receipt came."`
	ExpiresAt string  `json:"expires_at" format:"date-time" doc:"Until when it is kept, and applied should its message be found."`
}

// listUnmatched lists receipts about nothing known of the channels that the caller owns; the operator owns the shared ones.
func (s *server) listUnmatched(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account
	return simple(s, w, r, "unmatched", func(after int64, limit int) ([]gateway.Unmatched, error) {
		return s.core.Gateway.Unmatched(r.Context(), a, id.Of[gateway.Unmatched](after), limit)
	}, func(u *gateway.Unmatched) (receiptReply, int64) { return showReceipt(u), int64(u.ID) })
}

func showReceipt(u *gateway.Unmatched) receiptReply {
	return receiptReply{
		ID: u.ID.String(), Channel: u.Channel.String(), RemoteID: u.RemoteID, To: u.To.Display(), Status: u.Status.String(), Reason: u.Reason,
		Code: u.Code, Raw: u.Raw, At: showMaybe(u.At), CreatedAt: showTime(u.ID.Time()), ExpiresAt: showTime(u.Expires),
	}
}
