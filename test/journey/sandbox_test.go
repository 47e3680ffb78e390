// Package journey tells the stories of Tidings through its real binaries: what a newcomer sees in the sandbox, what each
// ending of a number does, and what bad input leaves behind, which is nothing.
package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidings.dev/internal/simulator/customer"
	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/test/product"
)

// bin has the binaries, built once.
var bin struct{ dir, sandbox, tidings string }

// shared is the sandbox that most stories are told in.
var shared *sandbox

func TestMain(m *testing.M) {
	code := 1
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if shared != nil {
		shared.stop()
		if code != 0 {
			fmt.Fprintf(os.Stderr, "the end of the sandbox's log:\n%s", shared.tail())
		}
	}
	if err := dropShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(bin.dir)
	os.Exit(code)
}

func setUp() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if bin.dir, err = os.MkdirTemp("", "journey-"); err != nil {
		return err
	}
	bin.sandbox, bin.tidings = filepath.Join(bin.dir, "sandbox"), filepath.Join(bin.dir, "tidings")
	for command, into := range map[string]string{"./cmd/sandbox": bin.sandbox, "./cmd/tidings": bin.tidings} {
		if err := product.Build(ctx, command, into); err != nil {
			return err
		}
	}
	database, err := sharedDatabase(ctx)
	if err != nil {
		return err
	}
	shared, err = startSandbox(filepath.Join(bin.dir, "shared"), database)
	return err
}

// ready is what the sandbox writes when all is up.
type ready struct {
	URL        string `json:"url"`
	AdminURL   string `json:"admin_url"`
	ControlURL string `json:"control_url"`
	Operator   struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		APIKey   string `json:"api_key"`
	} `json:"operator"`
	InternalAPIKey string `json:"internal_api_key"`
	Accounts       []struct {
		ID         string   `json:"id"`
		Name       string   `json:"name"`
		Username   string   `json:"username"`
		Password   string   `json:"password"`
		APIKey     string   `json:"api_key"`
		TestAPIKey string   `json:"test_api_key"`
		Region     string   `json:"region"`
		Numbers    []string `json:"numbers"`
	} `json:"accounts"`
	Networks struct {
		SMSC string `json:"smsc"`
	} `json:"networks"`
}

type sandbox struct {
	ready
	dir, database string
	command       *exec.Cmd
	done          chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// Write keeps the sandbox's log.
func (s *sandbox) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *sandbox) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *sandbox) tail() string {
	text := s.said()
	return text[max(0, len(text)-8000):]
}

func startSandbox(dir, database string) (*sandbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "..", filepath.Base(dir)+".ready.json")
	_ = os.Remove(file)
	s := &sandbox{dir: dir, database: database, done: make(chan struct{})}
	s.command = exec.Command(bin.sandbox, "--listen", "127.0.0.1:0", "--dir", dir, "--database", database, "--ready", file)
	s.command.Stdout, s.command.Stderr = s, s
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.command.Wait(); close(s.done) }()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err == nil {
			return s, json.Unmarshal(text, &s.ready)
		}
		select {
		case <-s.done:
			return nil, fmt.Errorf("the sandbox ended before it was ready:\n%s", s.tail())
		default:
		}
	}
	s.stop()
	return nil, fmt.Errorf("the sandbox was not ready in time:\n%s", s.tail())
}

// stop asks the sandbox to end, and kills it if it does not.
func (s *sandbox) stop() { s.end(syscall.SIGTERM) }

// crash ends the sandbox as a power cut would.
func (s *sandbox) crash() { s.end(syscall.SIGKILL) }

func (s *sandbox) end(signal os.Signal) {
	_ = s.command.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		_ = s.command.Process.Kill()
		<-s.done
	}
}

// own starts a sandbox for one test alone.
func own(t *testing.T, dir, database string) *sandbox {
	t.Helper()
	s, err := startSandbox(dir, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the end of the sandbox's log:\n%s", s.tail())
		}
	})
	return s
}

// client speaks for one of the seeded accounts; the first is the Kenyan one of the documents' examples.
func (s *sandbox) client(account int) *product.Client {
	return product.NewClient(s.URL, s.Accounts[account].APIKey)
}

func (s *sandbox) testClient(account int) *product.Client {
	return product.NewClient(s.URL, s.Accounts[account].TestAPIKey)
}

// inbound lets a phone send a text.
func (s *sandbox) inbound(t *testing.T, from, to, text string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"from": from, "to": to, "text": text})
	resp, err := http.Post(s.ControlURL+"/smsc/inbound", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("inbound: %d %s", resp.StatusCode, text)
	}
}

// history is what the simulated network has seen.
func (s *sandbox) history(t *testing.T) []smsc.Record {
	t.Helper()
	resp, err := http.Get(s.ControlURL + "/history?network=smsc")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	records, err := smsc.ReadHistory(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("history: %d %v", resp.StatusCode, err)
	}
	return records
}

// submits are the texts that the network took for a number.
func (s *sandbox) submits(t *testing.T, to string) (texts []string) {
	t.Helper()
	for _, r := range s.history(t) {
		if r.Op == smsc.OpSubmit && strings.TrimPrefix(r.To, "+") == strings.TrimPrefix(to, "+") {
			texts = append(texts, r.Text)
		}
	}
	return texts
}

// hook makes an endpoint of the account at the customer's receiver, which verifies every post with its secret.
func (s *sandbox) hook(t *testing.T, c *product.Client, name string, events ...string) {
	t.Helper()
	_, secret, err := c.CreateWebhook(t.Context(), s.ControlURL+"/customer/"+name, events...)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal(map[string]string{"secret": secret})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, s.ControlURL+"/customer/"+url.PathEscape(name)+"/secret", bytes.NewReader(body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("secret: %d", resp.StatusCode)
	}
}

// event is a webhook's body.
type event struct {
	Type      string `json:"type"`
	AccountID string `json:"account_id"`
	Subject   string `json:"subject"`
	Seq       int    `json:"seq"`
	Previous  int    `json:"previous_seq"`
	Data      struct {
		ID        string         `json:"id"`
		Status    string         `json:"status"`
		To        string         `json:"to"`
		From      string         `json:"from"`
		Text      string         `json:"text"`
		Reference string         `json:"client_reference"`
		Metadata  map[string]any `json:"metadata"`
		Duplicate bool           `json:"possible_duplicate"`
	} `json:"data"`
	post customer.Request
}

// heard are the events that came to a receiver.
func (s *sandbox) heard(t *testing.T, name string) (events []event) {
	t.Helper()
	for _, p := range s.posts(t, name) {
		e := event{post: p}
		if err := json.Unmarshal(p.Body, &e); err != nil {
			t.Fatalf("webhook %s: %v", p.Body, err)
		}
		events = append(events, e)
	}
	return events
}

// posts are the requests that a customer got, in any dialect.
func (s *sandbox) posts(t *testing.T, name string) (posts []customer.Request) {
	t.Helper()
	resp, err := http.Get(s.ControlURL + "/customer/" + name + "/requests")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&posts); err != nil {
		t.Fatal(err)
	}
	return posts
}

// until polls for something that must come true.
func until(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, what)
		}
	}
}

// send posts one message and expects it to be accepted.
func send(t *testing.T, c *product.Client, draft map[string]any, headers ...string) product.Message {
	t.Helper()
	var m product.Message
	if err := c.Post(t.Context(), "/tidings/v1/messages", draft, &m, headers...); err != nil {
		t.Fatal(err)
	}
	return m
}

func get(t *testing.T, c *product.Client, id string) product.Message {
	t.Helper()
	var m product.Message
	if err := c.Get(t.Context(), "/tidings/v1/messages/"+id, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// becomes waits for a status.
func becomes(t *testing.T, c *product.Client, id, status string, limit time.Duration) product.Message {
	t.Helper()
	var m product.Message
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if m = get(t, c, id); m.Status == status {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is %s (%s), not %s; its journey: %+v", limit, m.Status, m.Reason, status, m.Journey)
		}
	}
}

// installation is the sandbox's product, for its commands.
func (s *sandbox) installation() *product.Installation {
	return &product.Installation{Binary: bin.tidings, Dir: filepath.Join(s.dir, "data"), Setting: setting(s.database)}
}
