package whatsapp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// Control lets people and programs tell the phones what to do, over HTTP with JSON. Its paths are in the folder's README.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whatsapp/phones", s.createPhone)
	mux.HandleFunc("POST /whatsapp/outdate", func(out http.ResponseWriter, _ *http.Request) {
		s.Outdate()
		out.WriteHeader(http.StatusNoContent)
	})
	for name, do := range map[string]http.HandlerFunc{
		"scan":     act(s, func(p *Phone, in scanned) (any, error) { return linkedAs(p.Scan(in.QR)) }),
		"pair":     act(s, func(p *Phone, in entered) (any, error) { return linkedAs(p.EnterCode(in.Code)) }),
		"send":     act(s, (*Phone).sendAsTold),
		"read":     act(s, (*Phone).readAsTold),
		"group":    act(s, (*Phone).groupAsTold),
		"call":     act(s, func(p *Phone, in called) (any, error) { return callAs(p.Call(in.To, in.Video)) }),
		"typing":   act(s, func(p *Phone, in typed) (any, error) { return nil, p.Typing(in.To, !in.Paused) }),
		"block":    act(s, func(p *Phone, in addressedTo) (any, error) { p.Block(in.To); return nil, nil }),
		"unblock":  act(s, func(p *Phone, in addressedTo) (any, error) { p.Unblock(in.To); return nil, nil }),
		"number":   act(s, func(p *Phone, in addressedTo) (any, error) { return nil, p.ChangeNumber(in.To) }),
		"offline":  act(s, func(p *Phone, _ nothing) (any, error) { p.Offline(); return nil, nil }),
		"online":   act(s, func(p *Phone, _ nothing) (any, error) { p.Online(); return nil, nil }),
		"unlink":   act(s, eachDevice(func(p *Phone, d *Device) { p.Unlink(d) })),
		"drop":     act(s, eachDevice(func(_ *Phone, d *Device) { s.Drop(d) })),
		"replace":  act(s, eachDevice(func(_ *Phone, d *Device) { s.Replace(d) })),
		"ban":      act(s, (*Phone).banAsTold),
		"timelock": act(s, (*Phone).timelockAsTold),
	} {
		mux.HandleFunc("POST /whatsapp/phones/{number}/"+name, do)
	}
	mux.HandleFunc("GET /whatsapp/phones/{number}", s.showPhone)
	mux.HandleFunc("GET /whatsapp/phones/{number}/messages", s.showMessages)
	return mux
}

type (
	nothing     struct{}
	scanned     struct{ QR string }
	entered     struct{ Code string }
	addressedTo struct{ To string }
	typed       struct {
		To     string
		Paused bool
	}
	called struct {
		To    string
		Video bool
	}
	whileFor struct{ For string }
)

// act is what a phone in hand does with what it is told.
func act[T any](s *Server, do func(*Phone, T) (any, error)) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		var in T
		number, err := numberOf(r.PathValue("number"))
		if err == nil {
			err = decode(r, &in)
		}
		var answer any
		if err == nil {
			answer, err = do(s.Phone(number), in)
		}
		reply(out, http.StatusOK, answer, err)
	}
}

// decode reads a body strictly; none at all is an empty one.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, 32<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

func numberOf(number string) (string, error) {
	number = strings.TrimPrefix(number, "+")
	if !plausible(number) {
		return "", fmt.Errorf("%q is no number that could be on WhatsApp", number)
	}
	return number, nil
}

func reply(out http.ResponseWriter, status int, answer any, err error) {
	switch {
	case errors.Is(err, ErrNoSuchCode):
		http.Error(out, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(out, err.Error(), http.StatusBadRequest)
	case answer == nil:
		out.WriteHeader(http.StatusNoContent)
	default:
		out.Header().Set("Content-Type", "application/json")
		out.WriteHeader(status)
		_ = json.NewEncoder(out).Encode(answer)
	}
}

// shownPhone is how a phone is described.
type shownPhone struct {
	Number  string   `json:"number"`
	JID     string   `json:"jid"`
	LID     string   `json:"lid"`
	Name    string   `json:"name"`
	Devices []string `json:"devices"` // linked clients
}

func (p *Phone) shown() shownPhone {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	shown := shownPhone{Number: p.number, JID: p.numbered().String(), LID: p.lid.String(), Name: p.name, Devices: []string{}}
	for _, d := range p.linked() {
		shown.Devices = append(shown.Devices, d.name())
	}
	return shown
}

func (s *Server) createPhone(out http.ResponseWriter, r *http.Request) {
	var in struct{ Number, Name string }
	err := decode(r, &in)
	if err == nil {
		in.Number, err = numberOf(in.Number)
	}
	if err != nil {
		reply(out, 0, nil, err)
		return
	}
	p := s.Phone(in.Number)
	if in.Name != "" {
		p.Rename(in.Name)
	}
	reply(out, http.StatusCreated, p.shown(), nil)
}

func (s *Server) showPhone(out http.ResponseWriter, r *http.Request) {
	number, err := numberOf(r.PathValue("number"))
	if err != nil {
		reply(out, 0, nil, err)
		return
	}
	reply(out, http.StatusOK, s.Stranger(number).shown(), nil)
}

// shownMessage is how a message is described.
type shownMessage struct {
	ID        string    `json:"id"`
	From      string    `json:"from"`
	Group     string    `json:"group,omitempty"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	MediaType string    `json:"media_type,omitempty"`
	Text      string    `json:"text"`
	Repeats   int       `json:"repeats,omitempty"`
}

func (s *Server) showMessages(out http.ResponseWriter, r *http.Request) {
	number, err := numberOf(r.PathValue("number"))
	if err != nil {
		reply(out, 0, nil, err)
		return
	}
	shown := []shownMessage{}
	for _, m := range s.Stranger(number).Received() {
		shown = append(shown, shownMessage{
			ID: m.ID, From: m.From, Group: m.Group, Time: m.Time, Kind: m.Kind, MediaType: m.MediaType, Text: m.Text(), Repeats: m.Repeats,
		})
	}
	reply(out, http.StatusOK, shown, nil)
}

func linkedAs(d *Device, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]string{"device": d.JID().String()}, nil
}

func callAs(c *Call, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": c.ID}, nil
}

func eachDevice(do func(*Phone, *Device)) func(*Phone, nothing) (any, error) {
	return func(p *Phone, _ nothing) (any, error) {
		devices := p.Devices()
		if len(devices) == 0 {
			return nil, fmt.Errorf("phone %s has no linked device", p.Number())
		}
		for _, d := range devices {
			do(p, d)
		}
		return nil, nil
	}
}

// told is a message that a phone is told to send: words, a file of a type, or something about a message that it got.
type told struct {
	To       string // a number or the JID of a group; none for what is about another message
	Text     string
	Type     string // image, video, audio, voice, document or sticker
	Data     string // the file in base64
	MIME     string
	Name     string
	ReplyTo  string `json:"reply_to"`
	Reaction string // to the message of reply_to
	Edit     string // the id of the phone's own message that the text replaces
	Delete   string // the id of the phone's own message
}

func (p *Phone) sendAsTold(in told) (any, error) {
	id, err := p.sendTold(in)
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}

func (p *Phone) sendTold(in told) (string, error) {
	switch {
	case in.Delete != "":
		return p.Revoke(in.Delete)
	case in.Edit != "":
		return p.Edit(in.Edit, in.Text)
	case in.ReplyTo != "":
		return p.answerTold(in)
	}
	m, err := p.server.composed(in)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(in.To, "@"+types.GroupServer) {
		return p.Send(strings.TrimPrefix(in.To, "+"), m)
	}
	p.server.mu.Lock()
	g := p.server.groupNamed(in.To)
	p.server.mu.Unlock()
	if g == nil {
		return "", fmt.Errorf("there is no group %s", in.To)
	}
	return p.SendGroup(g, m)
}

func (p *Phone) answerTold(in told) (string, error) {
	received := p.Received()
	i := slices.IndexFunc(received, func(m Message) bool { return m.ID == in.ReplyTo })
	if i < 0 {
		return "", fmt.Errorf("the phone has no message %s", in.ReplyTo)
	}
	if in.Reaction != "" {
		return p.React(received[i], in.Reaction)
	}
	return p.Reply(received[i], in.Text)
}

// composed makes the message that is asked for.
func (s *Server) composed(in told) (*waE2E.Message, error) {
	if in.Type == "" {
		if in.Text == "" {
			return nil, errors.New(`send {"to":"254700000001","text":"Hello"}`)
		}
		return Text(in.Text), nil
	}
	file, err := base64.StdEncoding.DecodeString(in.Data)
	if err != nil || len(file) == 0 {
		return nil, errors.New("data is no base64 of a file")
	}
	if in.MIME == "" {
		in.MIME = http.DetectContentType(file)
	}
	switch in.Type {
	case "image":
		return s.Image(file, in.MIME, in.Text)
	case "video":
		return s.Video(file, in.MIME, in.Text)
	case "audio", "voice":
		return s.Audio(file, in.MIME, in.Type == "voice")
	case "document":
		return s.Document(file, in.MIME, in.Name, in.Text)
	case "sticker":
		return s.Sticker(file)
	}
	return nil, fmt.Errorf("a phone cannot send a %q", in.Type)
}

// readAsTold reads the messages that are named, or all there are.
func (p *Phone) readAsTold(in struct{ IDs []string }) (any, error) {
	if len(in.IDs) == 0 {
		for _, m := range p.Received() {
			in.IDs = append(in.IDs, m.ID)
		}
	}
	for _, id := range in.IDs {
		if err := p.Read(id); err != nil {
			return nil, err
		}
	}
	return map[string]any{"read": in.IDs}, nil
}

// groupAsTold makes a group.
func (p *Phone) groupAsTold(in struct {
	Subject string
	Members []string
},
) (any, error) {
	g, err := p.CreateGroup(in.Subject, types.AddressingModeLID, in.Members...)
	if err != nil {
		return nil, err
	}
	return map[string]string{"jid": g.JID().String()}, nil
}

func (p *Phone) banAsTold(in whileFor) (any, error) {
	duration, err := time.ParseDuration(in.For)
	if err != nil {
		return nil, err
	}
	return eachDevice(func(p *Phone, d *Device) { p.server.Ban(d, duration) })(p, nothing{})
}

func (p *Phone) timelockAsTold(in whileFor) (any, error) {
	duration, err := time.ParseDuration(in.For)
	if err != nil {
		return nil, err
	}
	p.Timelock(duration)
	return nil, nil
}
