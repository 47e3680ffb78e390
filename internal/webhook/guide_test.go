package webhook

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/simulator/snippet"
	"tidings.dev/internal/store"
)

const guide = "../../docs/guides/webhooks"

// examples are the programs of the guide, by the file's name: how each is run.
var examples = map[string][]string{
	"verify.mjs":  {"node", "verify.mjs"},
	"verify.py":   {"python3", "verify.py"},
	"verify.php":  {"php", "verify.php"},
	"verify.rb":   {"ruby", "verify.rb"},
	"verify.go":   {"go", "run", "verify.go"},
	"Verify.java": {"java", "Verify.java"},
}

func TestTheGuideShowsItsExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(guide + ".md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(guide + "/[vV]erify.*")
	if err != nil || len(files) != len(examples) {
		t.Errorf("there are %v, %v", files, err)
	}
	for _, file := range files {
		example, err := os.ReadFile(file)
		if err != nil || examples[filepath.Base(file)] == nil || !bytes.Contains(text, append(append([]byte("\n"), example...), "```\n"...)) {
			t.Errorf("%s is not in the guide as it is, or not tested: %v", file, err)
		}
	}
}

// signed is a post as an endpoint gets it, and with which secret it is looked at.
type signed struct {
	post
	secret string
	good   bool
}

// The examples are run against posts that were made for an endpoint.
func TestTheGuidesExamplesKnowOurPosts(t *testing.T) {
	t.Parallel()
	cases := truePosts(t)
	for file, command := range examples {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			snippet.Needs(t, command[0])
			for what, c := range cases {
				if got := run(t, command, c); got != c.good {
					t.Errorf("%s: %v", what, got)
				}
			}
		})
	}
}

func run(t *testing.T, command []string, c signed) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Stdin = guide, bytes.NewReader(c.Body)
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+c.secret, "WEBHOOK_ID="+c.ID,
		"WEBHOOK_TIMESTAMP="+c.Header.Get("webhook-timestamp"), "WEBHOOK_SIGNATURE="+c.Header.Get("webhook-signature"))
	said, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if err != nil && (!ended || exit.ExitCode() != 1) || strings.TrimSpace(strings.ReplaceAll(string(said), "exit status 1", "")) != "" {
		t.Errorf("%s: %v: %s", command, err, said)
	}
	return err == nil
}

// truePosts are posts that an endpoint got, and what may be wrong with one.
func truePosts(t *testing.T) map[string]signed {
	t.Helper()
	s := start(t)
	c := newCustomer(t, nil)
	e, secret := s.endpoint(Endpoint{URL: c.URL})
	posted := func() post {
		n := len(c.got())
		s.happen(alice, s.store.NewID(), 1, event.Sent)
		s.until("a post", func() bool { return len(c.got()) > n })
		return c.got()[n]
	}
	good := posted()
	var renewed string
	err := s.store.Write(func(tx *store.Tx) (err error) {
		renewed, err = s.Rotate(tx, tester, alice, e.ID, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rotated, tampered, late := posted(), good, good
	tampered.Body = bytes.Replace(good.Body, []byte("message.sent"), []byte("message.read"), 1)
	then := time.Now().Add(-10 * time.Minute)
	row, err := on(s.store.Reader()).OneWebhook(t.Context(), oneWebhookParams{ID: int64(e.ID), AccountID: alice})
	if err != nil {
		t.Fatal(err)
	}
	signers, err := s.signersOf(row)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sign(signers, s.store.Now(), good.ID, then, good.Body)
	if err != nil {
		t.Fatal(err)
	}
	late.Header = good.Header.Clone()
	late.Header.Set("Webhook-Timestamp", strconv.FormatInt(then.Unix(), 10))
	late.Header.Set("Webhook-Signature", signature)
	return map[string]signed{
		"a good one":                   {good, secret, true},
		"rotated, with the old secret": {rotated, secret, true},
		"a changed body":               {tampered, secret, false},
		"another secret":               {good, renewed, false},
		"signed well, ten minutes ago": {late, secret, false},
	}
}
