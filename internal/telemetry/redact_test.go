package telemetry_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tidings.dev/internal/telemetry"
)

func TestPhoneShowsOnlyItsEnds(t *testing.T) {
	for phone, want := range map[telemetry.Phone]string{
		"":              "",
		"12345":         "•••",
		"+1234567":      "+12•••67",
		"+15550000123":  "+1555•••0123",
		"+254701234567": "+2547•••4567",
		"Ünïcödé":       "•••",
	} {
		if got := phone.String(); got != want {
			t.Errorf("Phone(%q) shows as %q, want %q", string(phone), got, want)
		}
	}
}

// TestNothingPrivateIsShown prints each type in every way a careless line might.
func TestNothingPrivateIsShown(t *testing.T) {
	type carrier struct {
		Secret telemetry.Secret
		Phone  telemetry.Phone
		Body   telemetry.Body
	}
	private := []string{"hunter2", "0000", "dinner"}
	c := carrier{"hunter2", "+15550000123", "dinner at eight"}

	var out strings.Builder
	for _, format := range []string{"text", "json"} {
		log := telemetry.NewLogger(&out, format, slog.LevelInfo)
		log.Info("one by one", "secret", c.Secret, "phone", c.Phone, "body", c.Body)
		log.With("secret", c.Secret).Info("carried")
	}
	telemetry.NewLogger(&out, "text", slog.LevelInfo).Info("all in one", "carrier", c)
	fmt.Fprintf(&out, "%v %+v %#v %s %q", c, c, c, c, c)
	fmt.Fprint(&out, fmt.Errorf("cannot use %s for %v", c.Secret, c.Phone))
	text, err := json.Marshal(map[string]any{"secret": c.Secret})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)

	for _, word := range private {
		if strings.Contains(out.String(), word) {
			t.Errorf("%q shows in:\n%s", word, out.String())
		}
	}
	if got := c.Secret.Reveal(); got != "hunter2" {
		t.Errorf("Reveal gives %q", got)
	}
}
