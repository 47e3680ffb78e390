package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"tidings.dev/internal/gateway"
	"tidings.dev/internal/store"
)

// ShownOnce is a reply that holds a secret. It is kept nowhere: whoever repeats its request is refused with the id.
type ShownOnce interface {
	Made() string
}

// Commit runs the change that a request asks for in one transaction, and answers with the reply that the change returns; nil is
// an empty one. A request with an Idempotency-Key is done once: the reply is stored with the change, and a repeat gets the same
// bytes. The request's body must have been decoded before.
func Commit(w http.ResponseWriter, r *http.Request, status int, change func(tx *store.Tx) (reply any, err error)) error {
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	v := visitOf(r)
	// One key for two things of the same kind is another request, though its route and body are the same.
	once := gateway.Once{Key: key, Scope: v.scope(), Fingerprint: r.URL.Path + " " + v.fingerprint}
	done, err := v.front.core.Gateway.Do(v.caller, once, func(tx *store.Tx) (gateway.Outcome, error) {
		reply, err := change(tx)
		if err != nil {
			return gateway.Outcome{}, err
		}
		return outcomeOf(status, reply)
	})
	if err != nil {
		return err
	}
	if done.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	if done.Body == "" {
		w.WriteHeader(done.Status)
		return nil
	}
	return Write(w, "application/json", done.Status, []byte(done.Body))
}

func outcomeOf(status int, reply any) (gateway.Outcome, error) {
	done := gateway.Outcome{Status: status}
	if reply == nil {
		return done, nil
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(reply); err != nil {
		return done, fmt.Errorf("encode reply: %w", err)
	}
	done.Body = body.String()
	if secret, ok := reply.(ShownOnce); ok {
		done.Shown = secret.Made()
	}
	return done, nil
}
