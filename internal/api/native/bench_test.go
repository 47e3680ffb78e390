package native

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

// instant accepts everything at no cost, so that only HTTP is measured.
type instant struct{ api.Gateway }

func (instant) Submit(_ context.Context, c gateway.Caller, r gateway.Request) (gateway.Reply, error) {
	now := time.UnixMilli(1_800_000_000_000)
	reply := gateway.Reply{Results: make([]gateway.Result, len(r.Drafts))}
	for i, d := range r.Drafts {
		reply.Results[i].Message = message.Message{
			ID: 1 << 60, Account: c.Account.ID, Direction: message.Out, Kind: message.SMS, Channel: 1 << 60, To: message.Address{Kind: message.Phone, Value: d.To},
			From: message.Address{Kind: message.Name, Value: d.From}, Content: d.Content, Status: message.Queued, Total: 1, Encoding: "gsm7",
			Price: 800_000, Currency: "KES", Priority: message.OTP, OnUnknown: message.Resend, Reference: d.Reference, ValidUntil: now, Updated: now,
		}
	}
	return reply, nil
}

// mouth is a request's body and a reply's end that cost nothing.
type mouth struct {
	header http.Header
	status int
}

func (m *mouth) Header() http.Header         { return m.header }
func (m *mouth) WriteHeader(status int)      { m.status = status }
func (m *mouth) Write(p []byte) (int, error) { return len(p), nil }

const oneMessage = `{"to":"+254701234567","text":"Your code is 482913","from":"ACME","client_reference":"order-7","priority":"otp"}`

// parseOnly is the floor: a handler that parses the body with encoding/json and replies.
func parseOnly(w http.ResponseWriter, r *http.Request) {
	var in sendRequest
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"id":"0198c8f0-0000-7000-8000-000000000000","status":"queued"}`)
}

func BenchmarkCreateMessage(b *testing.B) {
	world := begin(b)
	secret := world.Key(world.Alice, account.MessagesSend)
	world.Core.Gateway = instant{}
	world.Limit(world.Alice, account.Limits{Requests: 100_000_000, Burst: 100_000_000, Queue: 1})
	whole := api.New(api.Options{}, world.Core, Surface)
	batch := `{"messages":[` + strings.TrimSuffix(strings.Repeat(oneMessage+",", 100), ",") + `]}`
	for _, c := range []struct {
		name    string
		handler http.Handler
		path    string
		body    string
		key     string
	}{
		{"floor", http.HandlerFunc(parseOnly), base + "/messages", oneMessage, ""},
		{"one", whole, base + "/messages", oneMessage, ""},
		{"one with Idempotency-Key", whole, base + "/messages", oneMessage, "order-7"},
		{"batch of 100", whole, base + "/messages/batch", batch, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			head := http.Header{"Authorization": {"Bearer " + secret}, "Content-Type": {"application/json"}}
			if c.key != "" {
				head.Set("Idempotency-Key", c.key)
			}
			for b.Loop() {
				r, _ := http.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
				r.Header, r.RemoteAddr = head, "192.0.2.1:1234"
				w := &mouth{header: http.Header{}}
				c.handler.ServeHTTP(w, r)
				if w.status != http.StatusAccepted {
					b.Fatal(fmt.Sprint(w.status))
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data := []byte(oneMessage)
	b.Run("strict", func(b *testing.B) {
		for b.Loop() {
			var in sendRequest
			if err := api.DecodeStrict(data, &in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var in sendRequest
			if err := json.Unmarshal(data, &in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
