package device

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tidings.dev/internal/api"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// checkTime is how long a message waits for its number to be looked up; then it is taken.
const checkTime = 5 * time.Second

// What the ids of groups, and of people whose numbers are not known, end in.
const (
	groupHost = "@g.us"
	lidHost   = "@lid"
)

// send takes a message to somebody who is on WhatsApp, or to a group.
func (s *server) send(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[sendRequest](r)
	if err != nil {
		return err
	}
	c, err := s.named(r, in.Token)
	if err != nil {
		return err
	}
	if in.Phone == "" {
		return fault.New(fault.MissingField, "phone is required").In("phone")
	}
	request, err := api.Submission(r, message.Draft{Channel: c.ID, Kind: message.WhatsApp, Content: in.content()})
	if err != nil {
		return err
	}
	if request.Drafts[0].To, err = recipient(string(in.Phone)); err != nil {
		return refuse(w, fault.Of(err))
	}
	there, err := s.registered(r.Context(), c, request.Drafts[0].To)
	if err != nil {
		return err
	}
	if !there {
		return api.Reply(w, http.StatusOK, unregistered{[]string{}, "Belum Terdaftar", string(in.Phone), false, c.Name})
	}
	reply, err := s.core.Gateway.Submit(r.Context(), api.CallerOf(r), request)
	if err != nil {
		return err
	}
	if f := reply.Results[0].Fault; f != nil {
		return refuse(w, f)
	}
	if reply.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	return api.Reply(w, http.StatusOK, sent{sentData{s.core.Gateway.RemoteID(reply.Results[0].Message), true}, "Terkirim", string(in.Phone), true})
}

// content is the text, or the file that is fetched from an address with the text below.
func (in *sendRequest) content() message.Content {
	if in.FileURL == "" {
		return message.Text(string(in.Message))
	}
	return message.Content{
		Version: 1, Type: typeOf(string(in.FileURL), string(in.FileName)), Text: string(in.Message),
		Media: &message.Media{URL: string(in.FileURL), Name: string(in.FileName)},
	}
}

// typeOf guesses by the ending of a name how a file goes out: the type must be known before it is fetched.
func typeOf(url, name string) message.Type {
	path, _, _ := strings.Cut(url, "?")
	if name != "" {
		path = name
	}
	switch strings.ToLower(path[strings.LastIndexByte(path, '.')+1:]) {
	case "jpg", "jpeg", "png":
		return message.TypeImage
	case "mp4", "3gp":
		return message.TypeVideo
	case "mp3", "ogg", "aac", "amr", "m4a":
		return message.TypeAudio
	}
	return message.TypeDocument
}

// recipient is who a message goes to, as the core reads it.
func recipient(phone string) (string, error) {
	if id, ok := strings.CutSuffix(phone, groupHost); ok {
		return message.Address{Kind: message.Group, Value: id}.String(), nil
	}
	if id, ok := strings.CutSuffix(phone, lidHost); ok {
		return message.Address{Kind: message.LID, Value: id}.String(), nil
	}
	user, _, _ := strings.Cut(phone, "@")
	to := number(user)
	if len(to) < 6 {
		return "", fault.New(fault.InvalidRecipient, "phone number too short (minimum 5 digits)").In("phone")
	}
	return to, nil
}

// registered tells whether a number is on WhatsApp. Where nobody can tell now, it is taken to be.
func (s *server) registered(ctx context.Context, c connection.Channel, to string) (bool, error) {
	phone, err := message.ParsePhone(to, "")
	if err != nil { // a group, or a number that the core refuses with its reason
		return true, nil
	}
	connected, err := s.core.Channels.Connected(ctx, c.ID)
	if err != nil || !connected {
		return true, err
	}
	wait, end := context.WithTimeout(ctx, checkTime)
	defer end()
	known, err := s.core.Fleet.Check(wait, c, []message.Address{phone})
	if err != nil && (fault.Of(err) != nil || errors.Is(err, context.DeadlineExceeded)) {
		return true, nil
	}
	return err == nil && known[0].There, err
}
