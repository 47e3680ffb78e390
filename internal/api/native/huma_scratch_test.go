package native

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tidings.dev/internal/api"
)

const scratchBody = `{"to":"+254701234567","text":"Your code is 482913","from":"ACME","client_reference":"order-7","priority":"otp"}`

func BenchmarkHuma(b *testing.B) {
	for name, skip := range map[string]bool{"validated": false, "skipped": true} {
		b.Run(name, func(b *testing.B) {
			mux := http.NewServeMux()
			a := humago.New(mux, huma.Config{OpenAPI: &huma.OpenAPI{}, Formats: huma.DefaultFormats, DefaultFormat: "application/json"})
			type out struct{ Body MessageReply }
			huma.Register(a, huma.Operation{Method: "POST", Path: "/messages", SkipValidateBody: skip, DefaultStatus: 202}, func(_ context.Context, in *sendInput) (*out, error) {
				return &out{Body: MessageReply{ID: "x", To: in.Body.To, Text: in.Body.Text, Metadata: object{emptyObject}}}, nil
			})
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/messages", strings.NewReader(scratchBody))
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				if w.Code != 202 {
					b.Fatal(w.Body)
				}
			}
		})
	}
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequest("POST", "/messages", strings.NewReader(scratchBody))
			w := httptest.NewRecorder()
			_, _ = r, w
		}
	})
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		data := []byte(scratchBody)
		for b.Loop() {
			var in sendRequest
			if err := api.DecodeStrict(data, &in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
