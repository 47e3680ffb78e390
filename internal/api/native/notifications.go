package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/notify"
	"tidings.dev/internal/store"
)

func (s *server) notificationOperations() []operation {
	return []operation{
		op[noInput, output[notificationsReply]]("GET /account/notifications", account.AccountRead, "readNotifications", "Tell who gets mail, and about what", s.readNotifications),
		op[input[notificationsRequest], output[notificationsReply]]("PUT /account/notifications", account.Admin, "setNotifications", "Say who gets mail, and about what", s.setNotifications),
	}
}

// notificationsRequest is who gets mail about the account, and about what.
type notificationsRequest struct {
	Emails []string `json:"emails" doc:"Who gets it; nobody when it is empty." nullable:"false" maxItems:"10" example:"[\"ops@example.com\"]"`
	Kinds  []string `json:"kinds,omitempty" doc:"Of wallet.low, channel.down, channel.up, channel.unlinked, channel.limited, key.expiring and webhook.disabled, or families such as channel.*; all without it." example:"[\"*\"]"`
}

// notificationsReply is the same.
type notificationsReply struct {
	Emails []string `json:"emails" nullable:"false"`
	Kinds  []string `json:"kinds" nullable:"false"`
}

// readNotifications tells who gets mail.
func (s *server) readNotifications(w http.ResponseWriter, r *http.Request) error {
	n, err := s.core.Notifier.Get(r.Context(), api.CallerOf(r).Account.ID)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, notificationsReply{texts(n.Emails), texts(n.Kinds)})
}

// setNotifications replaces who gets mail.
func (s *server) setNotifications(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[notificationsRequest](r)
	if err != nil {
		return err
	}
	wanted := notify.Wishes{Emails: in.Emails, Kinds: in.Kinds}
	if len(wanted.Kinds) == 0 {
		wanted.Kinds = []string{"*"}
	}
	c := api.CallerOf(r)
	err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Notifier.Set(tx, c.By, c.Account.ID, wanted) })
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, notificationsReply{texts(wanted.Emails), texts(wanted.Kinds)})
}
