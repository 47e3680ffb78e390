package clicksend

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/message"
)

// MMS and voice messages go out as SMS do, by a channel that carries them.

type (
	mmsRequest struct {
		File     api.Text         `json:"media_file" doc:"The address of the file, which all messages carry."`
		Messages some[mmsMessage] `json:"messages" nullable:"false"`
	}
	mmsMessage struct {
		messageRequest
		Subject api.Text `json:"subject"`
	}
	voiceRequest struct {
		Messages some[voiceMessage] `json:"messages" nullable:"false"`
	}
	voiceMessage struct {
		messageRequest
		Voice    api.Text `json:"voice" doc:"male or female."`
		Language api.Text `json:"lang" doc:"Such as en-gb."`
	}
)

// contentOf is the content of a message of a request, by its place, or the status that refuses it.
type contentOf func(i int) (c message.Content, refused string)

// batch implements sending: each message is its text.
func (in *sendRequest) batch() (*sendRequest, contentOf) {
	return in, func(i int) (message.Content, string) { return message.Text(string(in.Messages[i].Body)), "" }
}

// batch implements sending.
func (in *mmsRequest) batch() (*sendRequest, contentOf) {
	out := &sendRequest{}
	for _, m := range in.Messages {
		out.Messages = append(out.Messages, m.messageRequest)
	}
	return out, in.content
}

// batch implements sending.
func (in *voiceRequest) batch() (*sendRequest, contentOf) {
	out := &sendRequest{}
	for _, m := range in.Messages {
		out.Messages = append(out.Messages, m.messageRequest)
	}
	return out, func(i int) (message.Content, string) { return in.Messages[i].content() }
}

// files are the types of the files that an MMS carries, by the endings of their addresses.
var files = map[string]message.Type{
	".jpg": message.TypeImage, ".jpeg": message.TypeImage, ".png": message.TypeImage, ".gif": message.TypeImage, ".mp4": message.TypeVideo, ".3gp": message.TypeVideo,
	".mp3": message.TypeAudio, ".amr": message.TypeAudio, ".ogg": message.TypeAudio,
}

func (in *mmsRequest) content(i int) (c message.Content, refused string) {
	m := &in.Messages[i]
	if strings.TrimSpace(string(m.Subject)) == "" {
		return c, "SUBJECT_REQUIRED"
	}
	u, err := url.Parse(string(in.File))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return c, "INVALID_MEDIA_FILE"
	}
	kind, ok := files[strings.ToLower(u.Path[max(strings.LastIndexByte(u.Path, '.'), 0):])]
	if !ok {
		return c, "INVALID_MEDIA_FILE"
	}
	return message.Content{Version: 1, Type: kind, Text: string(m.Body), Subject: string(m.Subject), Media: &message.Media{URL: u.String()}}, ""
}

// languages are those in which a text is read aloud.
var languages = strings.Fields("cy-gb da-dk de-de en-au en-gb en-in en-us es-es es-mx es-us fr-ca fr-fr hi-in is-is it-it ja-jp ko-kr nb-no nl-nl pl-pl pt-br pt-pt ro-ro ru-ru sv-se tr-tr zh-cn zh-hk")

func (m *voiceMessage) content() (c message.Content, refused string) {
	language, voice := strings.ToLower(string(m.Language)), strings.ToLower(string(m.Voice))
	switch {
	case !slices.Contains(languages, language):
		return c, "INVALID_LANG"
	case voice != "male" && voice != "female":
		return c, "INVALID_VOICE"
	}
	c = message.Text(string(m.Body))
	c.Spoken = &message.Spoken{Language: language, Voice: voice}
	return c, ""
}

// kindOperations send MMS and voice messages, and tell what they would cost.
func (s *server) kindOperations() []api.Operation {
	one := func(kind message.Kind, what, does string, body, example any, h api.Handler) api.Operation {
		said := saidQueued
		reply := sendExample
		if does == "price" {
			said, reply = saidPrice, priceExample
		}
		name := map[message.Kind]string{message.MMS: "MMS", message.Voice: "Voice"}[kind]
		return api.Operation{
			Pattern: "POST /v3/" + string(kind) + "/" + does, ID: does + name, Summary: what, Sends: does == "send", Batch: true, Body: body, Example: example,
			Handler: s.guarded(account.MessagesSend, h), Replies: []api.Example{done(said, reply), missing("there are no messages"), tooMany},
		}
	}
	mms := map[string]any{"media_file": "https://example.com/picture.jpg", "messages": []map[string]any{{"to": "+61411111111", "subject": "A picture", "body": "Look"}}}
	voice := map[string]any{"messages": []map[string]any{{"to": "+61411111111", "body": "Hello", "lang": "en-au", "voice": "female"}}}
	return []api.Operation{
		one(message.MMS, "Send a file with texts", "send", mmsRequest{}, mms, send[mmsRequest](s, message.MMS)),
		one(message.MMS, "What files with texts would cost", "price", mmsRequest{}, mms, price[mmsRequest](s, message.MMS)),
		one(message.Voice, "Have texts read aloud", "send", voiceRequest{}, voice, send[voiceRequest](s, message.Voice)),
		one(message.Voice, "What texts read aloud would cost", "price", voiceRequest{}, voice, price[voiceRequest](s, message.Voice)),
	}
}

// sending is a request to send, of any kind.
type sending[T any] interface {
	*T
	batch() (*sendRequest, contentOf)
}

// decode reads a request to send.
func decode[T any, P sending[T]](r *http.Request) (*sendRequest, contentOf, error) {
	in, err := api.DecodeLenient[T](r)
	if err != nil {
		return nil, nil, err
	}
	out, content := P(in).batch()
	return out, content, nil
}
