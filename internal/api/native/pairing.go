package native

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rsc.io/qr"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

func (s *server) pairingOperations() []operation {
	return []operation{
		op[pairInput, output[pairingReply]]("POST /devices/{id}/pair", account.Admin, "pairDevice", "Link a device by a QR code, or by a code that the phone's owner types", s.pairDevice),
		op[IDInput, output[pairingReply]]("GET /devices/{id}/qr", account.Admin, "readPairing", "Read what the phone is shown now, as JSON, PNG or SVG", s.readPairing),
		op[IDInput, nothing]("GET /devices/{id}/qr.png", account.Admin, "readPNG", "Read the QR code as PNG", s.readPNG),
		op[IDInput, nothing]("GET /devices/{id}/qr.svg", account.Admin, "readSVG", "Read the QR code as SVG", s.readSVG),
		op[IDInput, nothing]("GET /devices/{id}/pairing/events", account.Admin, "followPairing", "Follow a pairing by server-sent events: code, linked, failed", s.followPairing),
	}
}

// pairRequest is how to link a device.
type pairRequest struct {
	Phone string `json:"phone,omitempty" doc:"Its owner types a code; without it a QR code is scanned." example:"+491701234567"`
}

type pairInput struct {
	IDInput
	Body pairRequest `required:"false"`
}

// pairingReply is how far the linking of a device is.
type pairingReply struct {
	State  string  `json:"state" enum:"asked,running,linked,failed"`
	QR     string  `json:"qr,omitempty" doc:"The text of the QR code to show now."`
	Code   string  `json:"code,omitempty" doc:"What the owner of the phone types." example:"ABCD-EFGH"`
	Until  *string `json:"until,omitempty" format:"date-time" doc:"When what is shown stops being valid; the next follows."`
	Reason string  `json:"reason,omitempty" doc:"Why it failed, for people."`
	Error  string  `json:"error,omitempty" doc:"Why it failed, for programs." example:"codes_expired"`
}

// showPairing shows how far a pairing is, with the code that is valid now.
func (s *server) showPairing(p connection.Pairing) pairingReply {
	shown := pairingReply{State: string(p.State), Reason: p.Reason, Error: p.Failure}
	if p.Code.Until.After(s.core.Store.Now()) {
		shown.QR, shown.Code, shown.Until = p.Code.QR, p.Code.Typed, showMaybe(p.Code.Until)
	}
	return shown
}

// pairDevice asks for a pairing, and waits some seconds for its first code. One that runs already is shown.
func (s *server) pairDevice(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	in := &pairRequest{}
	if r.ContentLength != 0 {
		if in, err = api.Decode[pairRequest](r); err != nil {
			return err
		}
	}
	var phone message.Address
	if in.Phone != "" {
		if phone, err = message.ParsePhone(in.Phone, api.CallerOf(r).Account.Region); err != nil {
			return fault.Of(err).In("phone")
		}
	}
	p, err := s.core.Fleet.PairAndShow(r.Context(), api.CallerOf(r).By, c, phone.Value)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, s.showPairing(p))
}

// pairing is the newest pairing of the path's device.
func (s *server) pairing(r *http.Request) (connection.Pairing, error) {
	c, err := s.ownDevice(r)
	if err != nil {
		return connection.Pairing{}, err
	}
	p, ok, err := s.core.Channels.Pairing(r.Context(), c.ID)
	if err == nil && !ok {
		err = fault.New(fault.NotHere, "nobody asked for the device to be linked")
	}
	return p, err
}

func (s *server) readPairing(w http.ResponseWriter, r *http.Request) error {
	switch accept := r.Header.Get("Accept"); {
	case strings.Contains(accept, "image/png"):
		return s.readPNG(w, r)
	case strings.Contains(accept, "image/svg+xml"):
		return s.readSVG(w, r)
	}
	p, err := s.pairing(r)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, s.showPairing(p))
}

// picture is the QR code that the path's device shows now.
func (s *server) picture(r *http.Request) (*qr.Code, error) {
	p, err := s.pairing(r)
	if err != nil {
		return nil, err
	}
	shown := s.showPairing(p)
	if shown.QR == "" {
		return nil, fault.New(fault.NotHere, "there is no QR code to show now; the pairing is %s", p.State)
	}
	code, err := qr.Encode(shown.QR, qr.L)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return code, nil
}

func (s *server) readPNG(w http.ResponseWriter, r *http.Request) error {
	code, err := s.picture(r)
	if err != nil {
		return err
	}
	return api.Write(w, "image/png", http.StatusOK, code.PNG())
}

func (s *server) readSVG(w http.ResponseWriter, r *http.Request) error {
	code, err := s.picture(r)
	if err != nil {
		return err
	}
	return api.Write(w, "image/svg+xml", http.StatusOK, svg(code))
}

// svg draws a QR code with the margin of four modules that it needs (ISO 18004, 9.1).
func svg(code *qr.Code) []byte {
	const margin = 4
	var b bytes.Buffer
	side := code.Size + 2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side, side, side)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes()
}

// quietTime is how often a stream of events says that it is there.
const quietTime = 15 * time.Second

// followPairing tells each code of a pairing as it becomes valid, and in the end what came of it.
func (s *server) followPairing(w http.ResponseWriter, r *http.Request) error {
	c, err := s.ownDevice(r)
	if err != nil {
		return err
	}
	p, err := s.pairing(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{})
	for told := 0; ; {
		if err := s.tellPairing(w, p, p.Step == told); err != nil {
			return nil //nolint:nilerr // whoever listened has gone
		}
		told = p.Step
		if err := out.Flush(); err != nil || p.Over() {
			return nil //nolint:nilerr // whoever listened has gone
		}
		ctx, cancel := context.WithTimeout(r.Context(), quietTime)
		next, err := s.core.Fleet.AwaitPairing(ctx, c, p.Step)
		cancel()
		if err != nil || r.Context().Err() != nil {
			return err
		}
		p = next
	}
}

// tellPairing writes one event; where there is nothing new to tell, a comment.
func (s *server) tellPairing(w http.ResponseWriter, p connection.Pairing, told bool) error {
	shown := s.showPairing(p)
	name := "code"
	switch {
	case p.Over():
		name = string(p.State)
	case told, shown.QR == "" && shown.Code == "":
		_, err := fmt.Fprint(w, ": waiting\n\n")
		return err
	}
	data, err := json.Marshal(shown)
	if err == nil {
		_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
	}
	return err
}
