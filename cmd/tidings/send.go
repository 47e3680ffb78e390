package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// keyVariable is where the key is looked for when no flag gives it.
const keyVariable = "TIDINGS_API_KEY"

type sendCommand struct {
	To   string        `required:"" help:"Number to send to."`
	Text string        `arg:"" help:"What to say."`
	From string        `help:"Sender; none: the account's or the channel's."`
	Key  string        `help:"API key; better in the environment as TIDINGS_API_KEY, since other users see flags."`
	URL  string        `help:"Address of the server; none: public_url, else listen." placeholder:"https://sms.example.com"`
	Wait time.Duration `default:"1m" help:"How long to wait for the end of it."`
}

// sent is a message as far as this command shows it.
type sent struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	To     string `json:"to"`
	Parts  int    `json:"parts"`
}

// Statuses by what they mean to somebody who waits.
var (
	arrived = []string{"delivered", "read"}
	over    = []string{"failed", "cancelled", "expired", "blocked"}
)

// Run sends a text through a server that runs, as a customer does, and tells what becomes of it. It is a failure when the text
// cannot arrive any more, or has not left in time.
func (c sendCommand) Run(s *session) error {
	key := cmp.Or(c.Key, variable(s.env, keyVariable))
	if key == "" {
		return errors.New("this needs an API key: tidings apikey create --account ID, and then " + keyVariable + "=KEY tidings send --to NUMBER TEXT")
	}
	client := &customer{base: strings.TrimSuffix(cmp.Or(c.URL, s.cfg.PublicURL, s.address()), "/"), key: key}
	ctx, cancel := context.WithTimeout(s.ctx, c.Wait)
	defer cancel()
	began := time.Now()
	m, err := client.send(ctx, map[string]string{"to": c.To, "text": c.Text, "from": c.From})
	if err != nil {
		return err
	}
	s.tell("accepted as %s, %d part(s) to %s\n", m.ID, m.Parts, m.To)
	for last := m.Status; ; last = m.Status {
		if slices.Contains(arrived, m.Status) || slices.Contains(over, m.Status) {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(s.show(m), waitedInVain(s.ctx, m, c.Wait))
		case <-time.After(200 * time.Millisecond):
		}
		if fresh, err := client.look(ctx, m.ID); err == nil {
			m = fresh
		}
		if m.Status != last {
			s.tell("%6.1f s  %s\n", time.Since(began).Seconds(), strings.TrimSpace(m.Status+" "+m.Reason))
		}
	}
	if slices.Contains(over, m.Status) {
		return errors.Join(s.show(m), fmt.Errorf("the message is %s: %s", m.Status, m.Reason))
	}
	return s.show(m)
}

// waitedInVain is an error unless the network has the message: then only its receipt is missing, which some never send.
func waitedInVain(ctx context.Context, m sent, wait time.Duration) error {
	if m.Status == "sent" && ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("the message is still %s after %s; see: tidings trace %s", m.Status, wait, m.ID)
}

// tell is for a person who waits; a program gets the end alone.
func (s *session) tell(format string, args ...any) {
	if !s.all.JSON {
		say(s.out, format, args...)
	}
}

// show prints the end for a program.
func (s *session) show(m sent) error {
	if !s.all.JSON {
		return nil
	}
	return s.print(m, "")
}

// address is where a server with these settings listens.
func (s *session) address() string {
	if s.cfg.TLS.On() {
		return "https://" + s.cfg.Listen
	}
	return "http://" + s.cfg.Listen
}

// variable is the value of a variable of the environment.
func variable(env []string, name string) string {
	for _, pair := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// customer speaks the native API with a key.
type customer struct{ base, key string }

func (c *customer) send(ctx context.Context, draft map[string]string) (sent, error) {
	body, err := json.Marshal(draft)
	if err != nil {
		return sent{}, err
	}
	return c.ask(ctx, http.MethodPost, "/tidings/v1/messages", body, http.StatusAccepted)
}

func (c *customer) look(ctx context.Context, id string) (sent, error) {
	return c.ask(ctx, http.MethodGet, "/tidings/v1/messages/"+id, nil, http.StatusOK)
}

func (c *customer) ask(ctx context.Context, method, path string, body []byte, want int) (m sent, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return m, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return m, fmt.Errorf("ask the server: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return m, fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode != want {
		return m, refusal(resp.StatusCode, text)
	}
	err = json.Unmarshal(text, &m)
	return m, err
}

// refusal is what the server said against it.
func refusal(status int, text []byte) error {
	var problem struct{ Title, Detail, Type string }
	if json.Unmarshal(text, &problem) != nil || problem.Title == "" {
		return fmt.Errorf("the server answered %d", status)
	}
	return fmt.Errorf("the server answered %d, %s: %s (%s)", status, problem.Title, problem.Detail, problem.Type)
}
