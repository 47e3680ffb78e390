package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const (
	secretBytes  = 32
	secretPrefix = "whsec_"
	mostRetired  = 2 // secrets that still sign besides the newest
)

// LongestGrace is how long at most an old secret signs beside a new one.
const LongestGrace = 7 * 24 * time.Hour

// signer signs with one secret, for a time.
type signer struct {
	*webhooks.Webhook
	until time.Time // zero: for ever
}

// newSecret makes a secret, and seals it for its endpoint.
func (w *Webhooks) newSecret(of EndpointID) (secret, sealed string, err error) {
	b := make([]byte, secretBytes)
	if _, err := rand.Read(b); err != nil {
		return "", "", fmt.Errorf("make a secret: %w", err)
	}
	secret = secretPrefix + base64.StdEncoding.EncodeToString(b)
	sealed, err = w.store.Seal(sealPlace(of), secret)
	return secret, sealed, err
}

// Rotate gives an endpoint a new secret and returns it, this once. Posts are signed with the old one too until its grace is over;
// of secrets that are old already only the last one goes on. Without grace all old ones end at once.
func (w *Webhooks) Rotate(tx *store.Tx, by audit.Actor, a account.ID, of EndpointID, grace time.Duration) (secret string, err error) {
	rows, err := store.First[webhookRecord](tx, oneWebhook, []oneWebhookParams{{ID: int64(of), AccountID: a}})
	if err != nil {
		return "", fmt.Errorf("read webhook: %w", err)
	}
	row := rows[0]
	switch {
	case row == nil:
		return "", unknown(of)
	case grace < 0 || grace > LongestGrace:
		return "", fault.New(fault.InvalidField, "an old secret may go on for 0s to %s", LongestGrace).In("grace")
	}
	secret, sealed, err := w.newSecret(of)
	if err != nil {
		return "", err
	}
	var retired []string
	if grace > 0 {
		retired = append(goingOn(row.Retired, tx.Now()), strconv.FormatInt(tx.Now().Add(grace).UnixMilli(), 10)+":"+row.Secret)
		retired = retired[max(0, len(retired)-mostRetired):]
	}
	err = store.Run(tx, rotateWebhook, []rotateWebhookParams{{
		Secret: sealed, Retired: strings.Join(retired, " "), UpdatedAt: max(tx.NowMilli(), row.UpdatedAt+1), ID: int64(of),
	}})
	if err != nil {
		return "", fmt.Errorf("rotate a webhook's secret: %w", err)
	}
	return secret, note(tx, by, a, of, "webhook.rotate", grace.String())
}

// goingOn are the retired secrets that still sign.
func goingOn(retired string, now time.Time) (live []string) {
	for _, r := range strings.Fields(retired) {
		if until, _, err := readRetired(r); err == nil && until.After(now) {
			live = append(live, r)
		}
	}
	return live
}

func readRetired(text string) (until time.Time, sealed string, err error) {
	at, sealed, _ := strings.Cut(text, ":")
	ms, err := strconv.ParseInt(at, 10, 64)
	return time.UnixMilli(ms), sealed, err
}

// signersOf are those that sign an endpoint's posts, the newest first.
func (w *Webhooks) signersOf(r webhookRecord) (all []signer, err error) {
	type secret struct {
		until  time.Time
		sealed string
	}
	secrets := []secret{{sealed: r.Secret}}
	for _, text := range strings.Fields(r.Retired) {
		until, sealed, err := readRetired(text)
		if err != nil {
			return nil, fmt.Errorf("read a retired secret: %w", err)
		}
		secrets = append(secrets, secret{until, sealed})
	}
	for _, s := range secrets {
		plain, err := w.store.Unseal(sealPlace(EndpointID(r.ID)), s.sealed)
		if err != nil {
			return nil, err
		}
		signs, err := webhooks.NewWebhook(plain)
		if err != nil {
			return nil, fmt.Errorf("use a secret: %w", err)
		}
		all = append(all, signer{signs, s.until})
	}
	return all, nil
}

// sign signs a body with each secret that is good at the time (Standard Webhooks: signatures are separated by spaces).
func sign(with []signer, now time.Time, id string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for _, s := range with {
		if !s.until.IsZero() && !s.until.After(now) {
			continue
		}
		signature, err := s.Sign(id, at, body)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		signatures = append(signatures, signature)
	}
	return strings.Join(signatures, " "), nil
}

// Trial is what came of a test.
type Trial struct {
	OK       bool
	Status   int    // 0: there was no answer
	Error    string // what was wrong
	Response string // how the answer began
	Took     time.Duration
}

// testKind is the type of a test's body. No endpoint is told of it otherwise.
const testKind = "webhook.test"

// Test posts a test to an endpoint now, whether it is active or not, and tells what came back. It changes nothing.
func (w *Webhooks) Test(ctx context.Context, a account.ID, of EndpointID) (Trial, error) {
	row, err := on(w.store.Reader()).OneWebhook(ctx, oneWebhookParams{ID: int64(of), AccountID: a})
	if store.NoRows(err) {
		return Trial{}, unknown(of)
	}
	if err != nil {
		return Trial{}, fmt.Errorf("read webhook: %w", err)
	}
	e, err := w.ready(row)
	if err != nil {
		return Trial{}, err
	}
	p := w.post(e, "test_"+strconv.FormatInt(w.store.NewID(), 36), 1)
	p.Event.Subject, p.Event.Account, p.Event.Kind, p.Event.At = int64(of), a, testKind, w.store.Now()
	p.Data = []byte(fmt.Sprintf(`{"webhook":%q}`, of))
	return w.try(ctx, p, e)
}

// try makes one post now.
func (w *Webhooks) try(ctx context.Context, p Post, to *endpoint) (Trial, error) {
	req, err := p.request(ctx, to)
	if errors.Is(err, ErrNothing) {
		return Trial{}, fault.New(fault.NotSupported, "who is posted to in this way is not told of tests")
	}
	if err != nil {
		return Trial{}, err
	}
	got := w.send(req, to.dialect)
	return Trial{OK: got.outcome == success, Status: got.status, Error: got.problem, Response: got.response, Took: got.took}, nil
}
