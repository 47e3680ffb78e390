package customer

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxBody = 4 << 20

// take remembers a post and answers as the behaviour says.
func (r *Receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	in, b := r.remember(req, body)
	if r.config.Seen != nil {
		r.config.Seen(in)
	}
	b.answer(w, req, in.Answer, r.config.Slow)
}

func (r *Receiver) remember(req *http.Request, body []byte) (Request, behaviour) {
	in := Request{
		Name: req.PathValue("name"), At: time.Now().UTC(), Method: req.Method, Path: req.URL.RequestURI(),
		Header: lower(req.Header), Body: asJSON(body),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	box := r.box(in.Name)
	if box.verifier != nil {
		err := box.verifier.Verify(body, req.Header)
		ok := err == nil
		in.Verified = &ok
		if err != nil {
			in.Problem = err.Error()
		}
	}
	box.count++
	in.N = box.count
	b := behaviourOf(in.Name, req.URL.Query().Get("do"))
	in.Answer = b.status(in.N)
	box.requests = append(box.requests, in)
	if len(box.requests) > kept {
		box.requests = append([]Request{}, box.requests[len(box.requests)-kept/2:]...)
	}
	if r.config.History != nil {
		line, _ := json.Marshal(in)
		_, _ = r.config.History.Write(append(line, '\n'))
	}
	return in, b
}

func lower(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out
}

func asJSON(body []byte) json.RawMessage {
	if json.Valid(body) {
		return body
	}
	quoted, _ := json.Marshal(string(body))
	return quoted
}

// behaviour is how a receiver treats its sender.
type behaviour struct {
	word  string
	first int // for "fail": how many posts fail before the rest succeed
}

// behaviourOf reads ?do=WORD, else the name itself, and is good behaviour for any other word:
//
//	500      always fails
//	410      is gone for good
//	302      points elsewhere
//	slow     answers 200, but only after a long time
//	reset    answers 200 and then resets the connection
//	fail-N   fails N times, then succeeds
func behaviourOf(name, do string) behaviour {
	word := name
	if do != "" {
		word = do
	}
	if n, found := strings.CutPrefix(word, "fail-"); found {
		if first, err := strconv.Atoi(n); err == nil {
			return behaviour{word: "fail", first: first}
		}
	}
	return behaviour{word: word}
}

func (b behaviour) status(n int) int {
	switch b.word {
	case "500":
		return http.StatusInternalServerError
	case "410":
		return http.StatusGone
	case "302":
		return http.StatusFound
	case "fail":
		if n <= b.first {
			return http.StatusServiceUnavailable
		}
	}
	return http.StatusOK
}

func (b behaviour) answer(w http.ResponseWriter, req *http.Request, status int, slow time.Duration) {
	switch b.word {
	case "302":
		w.Header().Set("Location", "/customer/elsewhere")
	case "slow":
		pause(req, slow)
	case "reset":
		resetAfter(w)
		return
	}
	w.WriteHeader(status)
}

func pause(req *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-req.Context().Done():
	}
}

// resetAfter writes a whole answer and then cuts the connection hard, with an RST where the system allows it.
func resetAfter(w http.ResponseWriter) {
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	_ = out.Flush()
	if hard, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = hard.SetLinger(0)
	}
}
