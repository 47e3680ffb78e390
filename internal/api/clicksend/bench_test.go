package clicksend_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/api/apitest"
	"tidings.dev/internal/api/clicksend"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/store"
)

// thousand is a request to send to so many numbers.
func thousand(n int) string {
	var b strings.Builder
	b.WriteString(`{"messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"source":"sdk","body":"Hello, number %d","to":"+2547012%05d","custom_string":"order %d"}`, i, i, i)
	}
	b.WriteString(`]}`)
	return b.String()
}

// BenchmarkSend is a batch of 1,000 from the request to the reply, on disk between.
func BenchmarkSend(b *testing.B) {
	w := world{apitest.New(b, api.Options{}, clicksend.Surface)}
	w.Write(func(tx *store.Tx) error {
		return w.Core.Wallet.TopUp(tx, audit.System, w.Alice.ID, 900_000_000_000_000, "bench")
	})
	alice, body := basic("alice", w.Key(w.Alice, account.Admin)), thousand(1000)
	for b.Loop() {
		w.Shift(time.Minute)
		if r := w.do(alice, "POST", "/v3/sms/send", body); r.Code != http.StatusOK || strings.Count(r.Body.String(), `"SUCCESS"`) != 1001 {
			b.Fatalf("%d %.300s", r.Code, r.Body)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "messages/s")
}
