// Package customer is the far side of webhooks: a receiver that takes every post, checks its signature, remembers it, and
// can misbehave on demand.
package customer

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// kept is how many requests each name remembers; older ones are forgotten.
const kept = 5000

// Request is one post as it came, and what was answered.
type Request struct {
	Name     string            `json:"name"`
	N        int               `json:"n"` // of this name, from 1
	At       time.Time         `json:"at"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Header   map[string]string `json:"headers"` // names in lower case
	Body     json.RawMessage   `json:"body"`    // as it came; as a string when it is no JSON
	Verified *bool             `json:"verified,omitempty"`
	Problem  string            `json:"problem,omitempty"` // why the signature did not verify
	Answer   int               `json:"answer"`
}

// Config shapes a receiver. Its zero value is usable.
type Config struct {
	// History gets every request as one line of JSON before it is answered, so that a crash of the sender never hides one.
	History io.Writer
	// Seen, if set, is called with every request before it is answered.
	Seen func(Request)
	// Slow is how long the slow behaviour waits; default 20 s, longer than a sender should.
	Slow time.Duration
}

// Receiver takes posts at /customer/NAME and lists them at /customer/NAME/requests.
type Receiver struct {
	config Config
	mux    *http.ServeMux

	mu    sync.Mutex
	boxes map[string]*box
}

type box struct {
	count    int
	requests []Request
	verifier *webhooks.Webhook
}

// New returns a receiver that has seen nothing.
func New(config Config) *Receiver {
	if config.Slow == 0 {
		config.Slow = 20 * time.Second
	}
	r := &Receiver{config: config, mux: http.NewServeMux(), boxes: map[string]*box{}}
	r.mux.HandleFunc("/customer/{name}", r.take)
	r.mux.HandleFunc("GET /customer/{name}/requests", r.list)
	r.mux.HandleFunc("DELETE /customer/{name}/requests", r.forget)
	r.mux.HandleFunc("PUT /customer/{name}/secret", r.putSecret)
	return r
}

// ServeHTTP answers everything under /customer/.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Secret makes the name verify every later post with the signing secret.
func (r *Receiver) Secret(name, secret string) error {
	verifier, err := webhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.box(name).verifier = verifier
	return nil
}

// Requests are the posts that came to the name, oldest first.
func (r *Receiver) Requests(name string) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request{}, r.box(name).requests...)
}

func (r *Receiver) box(name string) *box {
	b := r.boxes[name]
	if b == nil {
		b = &box{}
		r.boxes[name] = b
	}
	return b
}

func (r *Receiver) list(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.Requests(req.PathValue("name")))
}

func (r *Receiver) forget(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.box(req.PathValue("name")).requests = nil
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) putSecret(w http.ResponseWriter, req *http.Request) {
	var in struct {
		Secret string `json:"secret"`
	}
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := r.Secret(req.PathValue("name"), in.Secret); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
