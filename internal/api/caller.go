package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/id"
	"tidings.dev/internal/rate"
)

// Bearer is the key in the Authorization header (RFC 6750, 2.1), or a fault that says what is there instead.
func Bearer(r *http.Request) (string, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", fault.New(fault.NoCredentials, "there is no Authorization header")
	}
	scheme, secret, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || len(headers) > 1 {
		return "", fault.New(fault.NoCredentials, "the Authorization header is not one Bearer key")
	}
	return secret, nil
}

// Admit lets the bearer of a key in: it must be a key in use of an active account, within its rates, with the scope. Each
// surface takes the secret from where its callers put it. The caller is in CallerOf afterwards.
func (k *Kit) Admit(r *http.Request, secret string, scope account.Scope) error {
	v := visitOf(r)
	key, err := k.core.Keys.Authenticate(r.Context(), secret, v.remote, k.core.Store.Now())
	if err != nil {
		return err
	}
	return k.admit(v, r, key, "key:"+key.ID.String(), scope)
}

// admit lets a caller in of whom it is known who it is. One who came without a key has rights of the account alone.
func (k *Kit) admit(v *visit, r *http.Request, key account.Key, name string, scope account.Scope) error {
	a, err := k.core.Members.Working(r.Context(), key.Account)
	if err != nil {
		return err
	}
	v.caller = gateway.Caller{Account: a, Key: key, By: audit.Actor{Name: name, Address: v.remote.String()}}
	if err := k.checkOrigin(v, r, key); err != nil {
		return err
	}
	if err := k.checkRate(v, &a, key); err != nil {
		return err
	}
	if err := k.checkLimit(v, rate.Name{Of: k.Name, ID: int64(a.ID)}, a.Limits.Surface); err != nil {
		return err
	}
	tellEnd(v.Header(), key)
	if err := k.actFor(v, r); err != nil {
		return err
	}
	if scope != "" && !v.caller.Key.Scopes.Allow(scope) {
		return fault.New(fault.ScopeMissing, "the key lacks the scope %s", scope)
	}
	return nil
}

// tellEnd says of a key that was rotated since when, and when it ends (RFC 9745, RFC 8594).
func tellEnd(h http.Header, key account.Key) {
	if key.Rotated.IsZero() {
		return
	}
	h.Set("Deprecation", "@"+strconv.FormatInt(key.Rotated.Unix(), 10))
	h.Set("Sunset", key.Expires.UTC().Format(http.TimeFormat))
}

// actingHeader names the account that a key acts for, where that is not its own.
const actingHeader = "Tidings-Account"

// actFor lets a key with the scope admin act for a subaccount of its own account, and the operator's for any account: the caller
// is then that account, with all of its own rights and no others. The audit log names the key. To all other keys every other
// account is one that is not there.
func (k *Kit) actFor(v *visit, r *http.Request) error {
	named := r.Header[actingHeader]
	if len(named) == 0 {
		return nil
	}
	c := &v.caller
	at, err := id.Parse[account.Account](named[0])
	if err != nil || len(named) > 1 {
		return notActing()
	}
	if at == c.Account.ID {
		return nil
	}
	if !c.Key.Scopes.Allow(account.Admin) {
		return fault.New(fault.ScopeMissing, "the key lacks the scope %s, without which it acts for its own account only", account.Admin)
	}
	a, ok, err := k.core.Members.Get(r.Context(), at)
	switch {
	case err != nil:
		return err
	case !ok || a.Parent != c.Account.ID && !c.Operates():
		return notActing()
	}
	if a, err = k.core.Members.Working(r.Context(), at); err != nil {
		return err
	}
	c.Account, c.Key.Scopes = a, account.Scopes{account.Admin}
	return nil
}

func notActing() error {
	return fault.New(fault.NotHere, "there is no account to act for with this id").In(actingHeader)
}

// checkRate uses up one request of the key and of its account, and tells what is left: of the two, what ends first.
func (k *Kit) checkRate(v *visit, a *account.Account, key account.Key) error {
	ownLimit, allLimit := limitsOf(a, key)
	whose := rate.Name{Of: "key", ID: int64(key.ID)}
	if key.ID == 0 {
		whose = rate.Name{Of: "user", ID: int64(a.ID)}
	}
	own, err := k.rates.Take(whose, 1, ownLimit)
	if err != nil {
		return err
	}
	if !own.OK {
		k.tellShare(v.Header(), own)
		return refused(own, "key")
	}
	all, err := k.rates.Take(rate.Name{Of: "account", ID: int64(a.Root())}, 1, allLimit)
	if err != nil {
		return err
	}
	if own.Limit == 0 || all.Limit > 0 && (all.Remaining < own.Remaining || !all.OK) {
		k.tellShare(v.Header(), all)
	} else {
		k.tellShare(v.Header(), own)
	}
	if !all.OK {
		return refused(all, "account")
	}
	return nil
}

// limitsOf are how often the key may ask, and all keys of its account together.
func limitsOf(a *account.Account, key account.Key) (own, all rate.Limit) {
	l := a.Limits
	own = rate.Limit{PerMinute: l.Requests, Burst: l.Burst}
	if key.Rate > 0 && (l.Requests == 0 || key.Rate < l.Requests) {
		own = rate.Limit{PerMinute: key.Rate, Burst: key.Rate}
		if l.Burst > 0 {
			own.Burst = min(l.Burst, key.Rate)
		}
	}
	return own, rate.Limit{PerMinute: l.Requests * account.AllKeys, Burst: l.Burst * account.AllKeys}
}

// checkOrigin refuses a web page that the key does not list. Programs send no Origin; our own pages may call.
func (k *Kit) checkOrigin(v *visit, r *http.Request, key account.Key) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if k.AnyOrigin {
		allowOrigin(v.Header(), "*")
		return nil
	}
	if sameHost(origin, r.Host) {
		return nil
	}
	listed, err := k.lists(r.Context(), key, origin)
	if err != nil {
		return err
	}
	if !listed {
		return fault.New(fault.OriginNotAllowed, "the key may not be used from this web page")
	}
	allowOrigin(v.Header(), origin)
	return nil
}

// lists reports whether the key lists an origin; for who comes without one, whether any key of the account does.
func (k *Kit) lists(ctx context.Context, key account.Key, origin string) (bool, error) {
	if key.ID == 0 {
		return k.core.Keys.OriginOf(ctx, key.Account, origin)
	}
	found, ok, err := k.core.Keys.Get(ctx, key.Account, key.ID)
	return ok && slices.Contains(found.Origins, origin), err
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// exposed are the headers that a web page may read.
const exposed = "X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-RateLimit-Limit, X-RateLimit-Remaining, " +
	"X-RateLimit-Reset, Retry-After, Idempotent-Replayed, Deprecation, Sunset"

func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
	if origin != "*" {
		h.Add("Vary", "Origin")
	}
}

// preflight answers a browser that asks whether a page may call (Fetch, 3.3). It may if any key lists the page; whether
// the page's own key does, the real request tells. Never with credentials: keys are not cookies.
func (f *Front) preflight(v *visit, r *http.Request, methods []string) {
	origin, surface := r.Header.Get("Origin"), v.owner(r)
	h := v.Header()
	defer v.WriteHeader(http.StatusNoContent)
	if origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	h.Add("Vary", "Origin, Access-Control-Request-Headers")
	switch {
	case surface.AnyOrigin:
		h.Set("Access-Control-Allow-Origin", "*")
	case f.originKnown(r, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Max-Age", "600")
	if asked := r.Header.Get("Access-Control-Request-Headers"); len(asked) < 1024 {
		h.Set("Access-Control-Allow-Headers", asked)
	}
}

func (f *Front) originKnown(r *http.Request, origin string) bool {
	if f.core.OriginKnown == nil {
		return false
	}
	known, err := f.core.OriginKnown(r.Context(), origin)
	if err != nil {
		f.log.ErrorContext(r.Context(), "cannot look for an origin", "err", err)
	}
	return known && err == nil
}
