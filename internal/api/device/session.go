package device

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"tidings.dev/internal/api"
	"tidings.dev/internal/channel"
	"tidings.dev/internal/connection"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// start makes the device of a token, or changes what it does with calls.
func (s *server) start(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[startRequest](r)
	if err != nil {
		return err
	}
	c, there, err := s.find(r, in.Token)
	if err != nil {
		return err
	}
	calls, err := in.calls(api.CallerOf(r).Account.Region)
	if err != nil {
		return err
	}
	by := api.CallerOf(r).By
	return s.answer(w, r, started{"Session started", true}, func(tx *store.Tx) error {
		if !there {
			wanted := connection.Channel{Account: api.CallerOf(r).Account.ID, Name: string(in.Token), Driver: driver, Kind: message.WhatsApp, Enabled: true, Settings: channel.Settings("{}")}
			if wanted.Settings, err = s.core.Gateway.MergeSettings(wanted, calls); err != nil {
				return err
			}
			_, err := s.core.Gateway.CreateChannel(tx, by, wanted)
			return err
		}
		_, err := s.core.Gateway.ChangeChannel(tx, by, c.ID, func(c *connection.Channel) (err error) {
			c.Settings, err = s.core.Gateway.MergeSettings(*c, calls)
			return err
		})
		return err
	})
}

// answer runs a change once and replies.
func (s *server) answer(w http.ResponseWriter, r *http.Request, reply any, change func(tx *store.Tx) error) error {
	return api.Commit(w, r, http.StatusOK, func(tx *store.Tx) (any, error) { return reply, change(tx) })
}

// calls are the settings of the device for calls. A start that does not name them lets them ring.
func (in *startRequest) calls(region string) (json.RawMessage, error) {
	set := struct {
		Calls      string   `json:"calls"`
		Message    string   `json:"call_message"`
		Exceptions []string `json:"call_exceptions"`
	}{"ring", string(in.Message), []string{}}
	if in.Reject == "Y" || in.Reject == "y" {
		set.Calls = "reject"
	}
	for _, p := range in.Exclude {
		phone, err := message.ParsePhone(number(string(p)), region)
		if err != nil {
			return nil, fault.New(fault.InvalidField, "reject_exclude_phone has what is no number").In("reject_exclude_phone")
		}
		set.Exceptions = append(set.Exceptions, phone.Value)
	}
	return json.Marshal(set)
}

// readQRCode shows the code to scan, or how the device is once it is linked.
func (s *server) readQRCode(w http.ResponseWriter, r *http.Request) error {
	c, err := s.asked(r)
	if err != nil {
		return err
	}
	d, err := s.core.Channels.Device(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if !d.Linked.IsZero() {
		how, err := s.status(r.Context(), c)
		if err == nil && !how.Status {
			return api.Reply(w, http.StatusInternalServerError, failure{"not_connected"})
		}
		if err != nil {
			return err
		}
		return api.Reply(w, http.StatusOK, how)
	}
	p, err := s.core.Fleet.PairAndShow(r.Context(), api.CallerOf(r).By, c, "")
	if err != nil {
		return err
	}
	if p.Code.QR == "" {
		return api.Reply(w, http.StatusInternalServerError, failure{"waiting_for_qr"})
	}
	png, err := api.QRCode(p.Code.QR)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, qrReply{"data:image/png;base64," + base64.StdEncoding.EncodeToString(png), true})
}

// pair shows the code that the owner of a phone types into it.
func (s *server) pair(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[pairRequest](r)
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
	phone, err := message.ParsePhone(number(string(in.Phone)), api.CallerOf(r).Account.Region)
	if err != nil {
		return fault.New(fault.InvalidField, "phone is no number").In("phone")
	}
	p, err := s.core.Fleet.PairAndShow(r.Context(), api.CallerOf(r).By, c, phone.Value)
	if err != nil {
		return err
	}
	if p.Code.Typed == "" {
		return api.Reply(w, http.StatusInternalServerError, failure{"waiting_for_code"})
	}
	return api.Reply(w, http.StatusOK, codeReply{p.Code.Typed})
}

// readStatus tells how a device is. One that is not there is not connected.
func (s *server) readStatus(w http.ResponseWriter, r *http.Request) error {
	in, err := api.DecodeLenient[tokenRequest](r)
	if err != nil {
		return err
	}
	c, there, err := s.find(r, in.Token)
	if err != nil {
		return err
	}
	if !there {
		return api.Reply(w, http.StatusOK, status{Message: "DISCONNECTED"})
	}
	how, err := s.status(r.Context(), c)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, how)
}

// logOut ends the link of a device.
func (s *server) logOut(w http.ResponseWriter, r *http.Request) error {
	c, err := s.asked(r)
	if err != nil {
		return err
	}
	d, err := s.core.Channels.Device(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if d.Linked.IsZero() {
		return api.Reply(w, http.StatusInternalServerError, failure{"not logged in"})
	}
	if err := s.core.Fleet.Unlink(r.Context(), api.CallerOf(r).By, c); err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, done{"logged_out"})
}

// reconnect opens the device's session anew.
func (s *server) reconnect(w http.ResponseWriter, r *http.Request) error {
	c, err := s.asked(r)
	if err != nil {
		return err
	}
	if err := s.core.Fleet.Reconnect(r.Context(), c); err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, done{"reconnected"})
}

// number reads a number as the original does: digits alone count, 00 goes, 08 is Indonesia's 628, and any other 0 in front goes.
func number(phone string) string {
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, phone)
	switch rest, exit := strings.CutPrefix(digits, "00"); {
	case exit:
		digits = rest
	case strings.HasPrefix(digits, "08"):
		digits = "62" + digits[1:]
	default:
		digits = strings.TrimPrefix(digits, "0")
	}
	return "+" + digits
}
