package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/telemetry"
)

// TestWhatFailsTellsNoSecrets breaks a request in each way, with all of the request in what is said of it.
func TestWhatFailsTellsNoSecrets(t *testing.T) {
	var log bytes.Buffer
	all := func(r *http.Request) string {
		return fmt.Sprint("it broke at ", r.URL, " ", r.URL.Query(), " ", r.Header, " ", r.PathValue("secret"))
	}
	w := apitest.New(t, api.Options{Log: telemetry.NewLogger(&log, "text", slog.LevelDebug)}, plain("s", "/s/", func(k *api.Kit) {
		k.Handle("GET /s/panic/{secret}", func(_ http.ResponseWriter, r *http.Request) error { panic(all(r)) })
		k.Handle("GET /s/error/{secret}", func(_ http.ResponseWriter, r *http.Request) error { return errors.New(all(r)) })
		k.Handle("GET /s/late/{secret}", func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(http.StatusOK)
			return errors.New(all(r))
		})
	}))
	secrets := []string{"hush-query", "hush\nline", "hush%0Aline", "hush-bare", "hush-path", "hush/slash", "hush%2Fslash", "hush-bearer", "hush-header", "hush-apikey", "hush-cookie"}
	for _, way := range []string{"panic", "error", "late"} {
		log.Reset()
		r := aborted(w, "GET", "/s/"+way+"/hush-path%2Fhush%2Fslash?password=hush-query&api_key=hush%0Aline&hush-bare;x=hush-query",
			"X-API-Key", "hush-header", "apikey", "hush-apikey", "Cookie", "session=hush-cookie")
		if !strings.Contains(log.String(), "it broke at") {
			t.Errorf("%s is logged as\n%s", way, &log)
		}
		for _, secret := range secrets {
			if strings.Contains(log.String(), secret) || strings.Contains(r, secret) {
				t.Errorf("%s tells %q:\n%s", way, secret, &log)
			}
		}
	}
}

// aborted is what came back before the connection was cut, if it was.
func aborted(w *apitest.World, method, target string, headers ...string) string {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "Bearer hush-bearer")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	defer func() { _ = recover() }()
	w.ServeHTTP(rec, r)
	return rec.Body.String()
}
