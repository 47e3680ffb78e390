package customer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func post(t *testing.T, url, body string, headers ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func serve(t *testing.T, config Config) (*Receiver, string) {
	t.Helper()
	r := New(config)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func TestEveryPostIsRememberedAndVerified(t *testing.T) {
	var history bytes.Buffer
	r, url := serve(t, Config{History: &history})
	if err := r.Secret("shop", secret); err != nil {
		t.Fatal(err)
	}
	signer, _ := webhooks.NewWebhook(secret)
	now := time.Now()
	body := `{"type":"message.delivered","seq":3}`
	signature, _ := signer.Sign("msg_1", now, []byte(body))
	headers := []string{"webhook-id", "msg_1", "webhook-timestamp", fmt.Sprint(now.Unix()), "webhook-signature", signature}
	if status := post(t, url+"/customer/shop", body, headers...); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	post(t, url+"/customer/shop", body+" ", headers...)

	resp, err := http.Get(url + "/customer/shop/requests")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []Request
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Header["webhook-id"] != "msg_1" || string(got[0].Body) != body {
		t.Fatalf("requests: %+v", got)
	}
	if got[0].Verified == nil || !*got[0].Verified || got[1].Verified == nil || *got[1].Verified {
		t.Errorf("verified: %v %v, want true and false", got[0].Verified, got[1].Verified)
	}
	if lines := strings.Count(history.String(), "\n"); lines != 2 {
		t.Errorf("history has %d lines, want 2", lines)
	}
}

func TestBehaviours(t *testing.T) {
	_, url := serve(t, Config{Slow: time.Millisecond})
	for _, row := range []struct {
		path string
		want []int
	}{
		{"good", []int{200, 200}},
		{"500", []int{500, 500}},
		{"410", []int{410}},
		{"302", []int{302}},
		{"slow", []int{200}},
		{"shop?do=500", []int{500}},
		{"fail-2", []int{503, 503, 200, 200}},
		{"fail-none", []int{200}},
		{"reset", []int{200}},
	} {
		for i, want := range row.want {
			if got := post(t, url+"/customer/"+row.path, `{}`); got != want {
				t.Errorf("%s, post %d: %d, want %d", row.path, i+1, got, want)
			}
		}
	}
}

func TestSecretOverHTTP(t *testing.T) {
	r, url := serve(t, Config{})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/customer/shop/secret", strings.NewReader(`{"secret":"`+secret+`"}`))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	post(t, url+"/customer/shop", "not json")
	got := r.Requests("shop")
	if len(got) != 1 || got[0].Verified == nil || *got[0].Verified || string(got[0].Body) != `"not json"` {
		t.Errorf("requests: %+v", got)
	}
}
