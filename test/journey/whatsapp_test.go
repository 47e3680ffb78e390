package journey

import (
	"bytes"
	"encoding/base64"
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

// picture is a PNG of one pixel.
var picture, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

// A newcomer makes a device, has a phone scan its code, sends a text and a picture to somebody who gets, reads and answers them, and needs
// no second scan after a crash of it all.
func TestLinkedDevice(t *testing.T) {
	t.Parallel()
	dir, database := filepath.Join(t.TempDir(), "box"), fresh(t)
	s := own(t, dir, database)
	c := s.client(0)
	const business, replies, quiet = "254700000001", "254711009910", "254711000002"
	s.hook(t, c, "device", "message.*")
	shop := s.device(t, c, "shop", business)
	if status, code, err := c.Do(t.Context(), "GET", "/tidings/v1/devices/"+shop+"/qr.png", nil); err != nil || status != http.StatusNotFound {
		t.Errorf("a device that is linked shows a code: %d %.20q, %v", status, code, err)
	}
	linked := func() bool { return s.networkSaw(t, whatsapp.OpLogin) > 0 }
	until(t, 15*time.Second, "the device did not log in", linked)

	write := func(to, text string) {
		t.Helper()
		var sent struct{ Status bool }
		if err := c.Post(t.Context(), "/api/send", map[string]string{"token": "shop", "phone": to, "message": text}, &sent); err != nil || !sent.Status {
			t.Fatalf("send: %+v, %v", sent, err)
		}
	}
	show := func(to string) {
		t.Helper()
		status, body, err := c.Do(t.Context(), "POST", "/tidings/v1/media", picture, "Content-Type", "image/png")
		var file struct{ ID string }
		if err != nil || status != http.StatusCreated || json.Unmarshal(body, &file) != nil {
			t.Fatalf("%d %s, %v", status, body, err)
		}
		content := map[string]any{"type": "image", "text": "Our shop", "media": map[string]string{"id": file.ID}}
		if err := c.Post(t.Context(), "/tidings/v1/messages", map[string]any{"kind": "whatsapp", "to": "+" + to, "content": content}, nil); err != nil {
			t.Fatal(err)
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
	const shopper = "254711000007"
	show(shopper)
	until(t, 30*time.Second, "nobody says that the picture is delivered", told("message.delivered", shopper, ""))
	until(t, 30*time.Second, "nobody says that the picture is read", told("message.read", shopper, ""))
	if got, saw := s.received(t, replies), s.received(t, shopper); fmt.Sprint(got, saw) != "[Hello] [Our shop]" {
		t.Errorf("the phones got %q and %q", got, saw)
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
