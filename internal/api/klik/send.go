package klik

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/media"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// finder tells by which channel a request sends. A channel without an id is one that is not there, and that the document calls not
// logged in.
type finder func(r *http.Request) (connection.Channel, error)

// official is the channel that the account marked so, or else the operator's.
func (s *server) official(r *http.Request) (connection.Channel, error) {
	c, _, err := s.core.Gateway.Official(r.Context(), api.CallerOf(r).Account.ID, message.WhatsApp)
	return c, err
}

// session is the channel of the path, if it is the account's or one that all share.
func (s *server) session(r *http.Request) (connection.Channel, error) {
	at, err := id.Parse[message.Channel](r.PathValue("session_uuid"))
	if err != nil {
		return connection.Channel{}, unknownSession()
	}
	c, ok, err := s.core.Channels.Get(r.Context(), at)
	if err != nil {
		return c, err
	}
	if owner := api.CallerOf(r).Account.ID; !ok || c.Kind != message.WhatsApp || c.Account != 0 && c.Account != owner {
		return c, unknownSession()
	}
	return c, nil
}

func unknownSession() error {
	return fault.New(fault.NotHere, "there is no such session").In("session_uuid")
}

// upload is a file of a request: its bytes are kept while they arrive, and become a file of the account once the request was found good.
type upload struct {
	server *server
	r      *http.Request
	file   media.File
	there  bool
}

// field is the field of the body that the file is in.
func (u *upload) field(name string, kind message.Type) api.File {
	limits := u.server.core.Media.Limits
	most := limits.Of(kind)
	if kind == "" {
		most = limits.Most()
	}
	return api.File{Field: name, Most: most, Take: func(r io.Reader) (err error) {
		u.there = true
		u.file, err = u.server.core.Media.Take(u.r.Context(), api.CallerOf(u.r).Account.ID, r, "", kind)
		if f := fault.Of(err); f != nil {
			return f.In(name)
		}
		return err
	}}
}

// content is the file as a message carries it, with a caption.
func (u *upload) content(kind message.Type, caption string) (message.Content, error) {
	err := u.server.core.Store.Write(func(tx *store.Tx) (err error) {
		u.file, err = u.server.core.Media.Add(tx, u.file)
		return err
	})
	return message.Content{Version: 1, Type: kind, Text: caption, Media: &message.Media{ID: u.file.ID}}, err
}

// admit lets in who may send, and finds by which channel.
func (s *server) admit(r *http.Request, scope account.Scope, find finder) (connection.Channel, error) {
	secret, err := api.Bearer(r)
	if err != nil {
		return connection.Channel{}, err
	}
	if err := s.kit.Admit(r, secret, scope); err != nil {
		return connection.Channel{}, err
	}
	return find(r)
}

// sendMessage sends a text, an image, or an image with a text below.
func (s *server) sendMessage(find finder) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ch, err := s.admit(r, account.MessagesSend, find)
		if err != nil {
			return err
		}
		image := upload{server: s, r: r}
		in, err := api.DecodeLenient[messageRequest](r, image.field("image", message.TypeImage))
		if err != nil {
			return err
		}
		to, err := recipient(in.Mobile)
		if err != nil {
			return err
		}
		if !image.there && strings.TrimSpace(string(in.Message)) == "" {
			return fault.New(fault.MissingField, "there is neither a message nor an image").In("message")
		}
		if err := ready(r, ch); err != nil {
			return err
		}
		content := message.Text(string(in.Message))
		if image.there {
			if content, err = image.content(message.TypeImage, string(in.Message)); err != nil {
				return err
			}
		}
		return s.send(w, r, ch, to, content, "Message sent successfully.")
	}
}

// sendFile sends a file as what its bytes are.
func (s *server) sendFile(find finder) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ch, err := s.admit(r, account.MessagesSend, find)
		if err != nil {
			return err
		}
		file := upload{server: s, r: r}
		in, err := api.DecodeLenient[fileRequest](r, file.field("file", ""))
		if err != nil {
			return err
		}
		to, err := recipient(in.Mobile)
		if err != nil {
			return err
		}
		if !file.there {
			return fault.New(fault.MissingField, "there is no file").In("file")
		}
		kind := media.TypeOf(file.file.MIME)
		if err := s.core.Media.Limits.Check(kind, file.file.Media); err != nil {
			return fault.Of(err).In("file")
		}
		if err := ready(r, ch); err != nil {
			return err
		}
		file.file.Name = cmp.Or(string(in.Filename), "file"+media.Extension(file.file.MIME))
		content, err := file.content(kind, "")
		if err != nil {
			return err
		}
		return s.send(w, r, ch, to, content, "File sent successfully.")
	}
}

// recipient reads a number with its country code, with or without a plus.
func recipient(mobile api.Text) (string, error) {
	text := strings.TrimSpace(string(mobile))
	if text == "" {
		return "", fault.New(fault.MissingField, "there is no mobile").In("mobile")
	}
	if strings.Trim(text, "+0123456789 ()-.") != "" {
		return "", fault.New(fault.InvalidRecipient, "the mobile is no number").In("mobile")
	}
	return "+" + digits(text), nil
}

func digits(text string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, text)
}

// ready refuses what is to go out by a channel that is not there. The messages of test keys go nowhere, and need none.
func ready(r *http.Request, ch connection.Channel) error {
	if ch.ID == 0 && !api.CallerOf(r).Key.Test {
		return fault.New(fault.NotLinked, "there is no official device")
	}
	return nil
}

// send hands the message to the core.
func (s *server) send(w http.ResponseWriter, r *http.Request, ch connection.Channel, to string, content message.Content, done string) error {
	request, err := api.Submission(r, message.Draft{Channel: ch.ID, Kind: message.WhatsApp, To: to, Content: content})
	if err != nil {
		return err
	}
	reply, err := s.core.Gateway.Submit(r.Context(), api.CallerOf(r), request)
	if err != nil {
		return err
	}
	if content.Media != nil && (reply.Replayed || reply.Results[0].Fault != nil) {
		err := s.core.Store.Write(func(tx *store.Tx) error {
			return s.core.Media.Delete(tx, api.CallerOf(r).Account.ID, content.Media.ID) // no message has it
		})
		if err != nil {
			return err
		}
	}
	return s.accepted(w, reply, done)
}

func (s *server) accepted(w http.ResponseWriter, reply gateway.Reply, done string) error {
	if f := reply.Results[0].Fault; f != nil {
		return f
	}
	if reply.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	return api.Reply(w, http.StatusOK, sent{Success: true, Message: done})
}
