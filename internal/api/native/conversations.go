package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/conversation"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

func (s *server) conversationOperations() []operation {
	return []operation{
		op[PageInput, output[page[ConversationReply]]]("GET /conversations", account.MessagesRead, "listConversations", "List conversations, those with the newest message first", s.listConversations),
		op[IDInput, output[ConversationReply]]("GET /conversations/{id}", account.MessagesRead, "getConversation", "Read a conversation", s.getConversation),
		op[pagedIDInput, output[page[MessageReply]]]("GET /conversations/{id}/messages", account.MessagesRead, "listConversationMessages", "List what was said, newest first", s.listSaid),
		op[IDInput, output[ConversationReply]]("POST /conversations/{id}/read", account.MessagesSend, "readConversation", "Note that somebody has read all of it", s.readConversation).once(),
	}
}

type pagedIDInput struct {
	IDInput
	PageInput
}

// ConversationReply is an account's exchange with a contact over a channel.
type ConversationReply struct {
	ID         string  `json:"id" format:"uuid"`
	Channel    string  `json:"channel" format:"uuid"`
	Contact    string  `json:"contact" format:"uuid"`
	LastAt     string  `json:"last_message_at" format:"date-time"`
	LastIn     *string `json:"last_inbound_at" format:"date-time" nullable:"true"`
	LastOut    *string `json:"last_outbound_at" format:"date-time" nullable:"true"`
	WindowEnds *string `json:"window_ends_at" format:"date-time" nullable:"true" doc:"Until when WhatsApp lets a business answer with anything: 24 hours after their last message."`
	Unread     int     `json:"unread" doc:"Their messages since somebody read them, or answered."`
}

func showConversation(c *conversation.Conversation) ConversationReply {
	return ConversationReply{
		c.ID.String(), c.Channel.String(), c.Contact.String(), showTime(c.At), showMaybe(c.In), showMaybe(c.Out), showMaybe(c.WindowEnds()), c.Unread,
	}
}

// conversation is the conversation of the path.
func (s *server) conversation(r *http.Request) (conversation.Conversation, error) {
	at, err := pathID[conversation.Conversation](r, "id")
	if err != nil {
		return conversation.Conversation{}, err
	}
	c, ok, err := s.core.Conversations.Get(r.Context(), api.CallerOf(r).Account.ID, at)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "there is no conversation %s", at)
	}
	return c, err
}

// listConversations lists the account's conversations.
func (s *server) listConversations(w http.ResponseWriter, r *http.Request) error {
	a := api.CallerOf(r).Account.ID
	return walk(s, w, r, "conversations", func(after string, limit int) ([]conversation.Conversation, string, error) {
		return s.core.Conversations.List(r.Context(), a, after, limit)
	}, showConversation)
}

// getConversation reads one conversation.
func (s *server) getConversation(w http.ResponseWriter, r *http.Request) error {
	c, err := s.conversation(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showConversation(&c))
}

// listSaid lists the messages of a conversation.
func (s *server) listSaid(w http.ResponseWriter, r *http.Request) error {
	c, err := s.conversation(r)
	if err != nil {
		return err
	}
	return simple(s, w, r, "said "+c.ID.String(), func(after int64, limit int) ([]message.Message, error) {
		return s.core.Gateway.Said(r.Context(), c, message.ID(after), limit)
	}, func(m *message.Message) (MessageReply, int64) { return showMessage(m), int64(m.ID) })
}

// readConversation notes that somebody has read a conversation.
func (s *server) readConversation(w http.ResponseWriter, r *http.Request) error {
	c, err := s.conversation(r)
	if err != nil {
		return err
	}
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) {
		if err := s.core.Conversations.Read(tx, c.Account, c.ID); err != nil {
			return nil, err
		}
		c.Unread = 0
		return showConversation(&c), nil
	})
}
