package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"tidings.dev/internal/simulator/whatsapp"
)

// tell has the simulated WhatsApp do something.
func (s *sandbox) tell(t *testing.T, path string, in, into any) {
	t.Helper()
	body, _ := json.Marshal(in)
	resp, err := http.Post(s.ControlURL+"/whatsapp/"+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// received are the texts that a phone has got.
func (s *sandbox) received(t *testing.T, phone string) (texts []string) {
	t.Helper()
	resp, err := http.Get(s.ControlURL + "/whatsapp/phones/" + phone + "/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var messages []struct{ Text string }
	if err := json.NewDecoder(resp.Body).Decode(&messages); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// A newcomer links a phone by a code, writes to somebody who reads it and answers, and needs no second code after a crash of it all.
func TestLinkedDevice(t *testing.T) {
	dir, database := filepath.Join(t.TempDir(), "box"), fresh(t)
	s := own(t, dir, database)
	c := s.client(0)
	const business, replies, quiet = "254700000001", "254711009910", "254711000002"
	s.tell(t, "phones", map[string]string{"number": business, "name": "Acme"}, nil)
	s.hook(t, c, "device", "message.*")

	if err := c.Post(t.Context(), "/api/start", map[string]string{"token": "shop"}, nil); err != nil {
		t.Fatal(err)
	}
	var code struct{ Code string }
	if err := c.Post(t.Context(), "/api/pair", map[string]string{"token": "shop", "phone": business}, &code); err != nil {
		t.Fatal(err)
	}
	s.tell(t, "phones/"+business+"/pair", map[string]string{"code": code.Code}, nil)
	linked := func() bool { return s.networkSaw(t, whatsapp.OpLogin) > 0 }
	until(t, 15*time.Second, "the device did not log in", linked)

	write := func(to, text string) {
		t.Helper()
		var sent struct{ Status bool }
		if err := c.Post(t.Context(), "/api/send", map[string]string{"token": "shop", "phone": to, "message": text}, &sent); err != nil || !sent.Status {
			t.Fatalf("send: %+v, %v", sent, err)
		}
	}
	told := func(kind, to, text string) func() bool {
		return func() bool {
			for _, e := range s.heard(t, "device") {
				if e.Type == kind && e.Data.To == "+"+to && e.Data.Text == text {
					return true
				}
			}
			return false
		}
	}
	write(replies, "Hello")
	until(t, 30*time.Second, "nobody says that it is read", told("message.read", replies, ""))
	until(t, 15*time.Second, "no reply came", told("message.received", business, "Reply to: Hello"))
	if got := s.received(t, replies); fmt.Sprint(got) != "[Hello]" {
		t.Errorf("the phone got %q", got)
	}
	s.tell(t, "phones/"+quiet+"/send", map[string]string{"to": business, "text": "Are you open?"}, nil)
	until(t, 15*time.Second, "the question did not come", told("message.received", business, "Are you open?"))
	if links := s.networkSaw(t, whatsapp.OpLink); links != 1 {
		t.Errorf("the phone was linked %d times", links)
	}

	s.crash()
	s = own(t, dir, database)
	c = s.client(0)
	until(t, 30*time.Second, "the device is not back", linked)
	write("254711000100", "We are back")
	until(t, 30*time.Second, "the text did not arrive", func() bool { return fmt.Sprint(s.received(t, "254711000100")) == "[We are back]" })
	if links := s.networkSaw(t, whatsapp.OpLink); links != 0 {
		t.Errorf("after the crash the phone was linked %d times", links)
	}
}

// networkSaw counts what the simulated WhatsApp has seen.
func (s *sandbox) networkSaw(t *testing.T, op whatsapp.Op) (count int) {
	t.Helper()
	resp, err := http.Get(s.ControlURL + "/history?network=whatsapp")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); lines.More(); {
		var r whatsapp.Record
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Op == op {
			count++
		}
	}
	return count
}
