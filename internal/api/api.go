// Package api is the HTTP kit that the surfaces share: who asks, how often they may, what they said, and how to say no in
// the words of the surface that owns the path.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/rate"
	"tidings.dev/internal/telemetry"
	"tidings.dev/internal/webhook"
)

// Options are what an operator may choose.
type Options struct {
	PublicURL      string         // how the world reaches this server, without a slash at the end
	TrustedProxies []netip.Prefix // only from these is X-Forwarded-For believed
	Body           int64          // bytes of a body; 0: 1 MiB
	BatchBody      int64          // bytes of a body that sends a batch; 0: 16 MiB
	Batch          int            // most messages in one request; 0: 1,000
	PerSource      int            // requests a minute of one address to each operation that counts them (AdmitSource); 0: any
	Log            *slog.Logger
	Metrics        *telemetry.Metrics
	Traced         bool // whoever calls may say in which trace (W3C Trace Context)
}

// Surface is one API that customers may speak.
type Surface struct {
	Name string
	// Prefixes are whose unknown paths are answered in this surface's shape.
	Prefixes []string
	// AnyOrigin lets every web page call, as long as it has a key. Else a page needs a key that lists its origin.
	AnyOrigin bool
	// Limited gives callers the limit of requests that compatible surfaces have, and tells it in their headers.
	Limited bool
	// Slashes lets the paths of operations end in a slash.
	Slashes bool
	// Headers are on every reply.
	Headers http.Header
	// Routes registers what the surface answers.
	Routes func(*Kit)
	// Dialect is how the surface's webhooks are told; nil: it has none of its own. Of the core there are Store, Members, Channels, Contacts and Gateway.
	Dialect func(Core) webhook.Dialect
	// Fail writes a fault in the surface's shape.
	Fail func(k *Kit, w http.ResponseWriter, r *http.Request, f *fault.Fault)
}

// Dialects are those of the surfaces, by their names.
func Dialects(core Core, surfaces ...Surface) map[string]webhook.Dialect {
	all := map[string]webhook.Dialect{}
	for _, s := range surfaces {
		if s.Dialect != nil {
			all[s.Name] = s.Dialect(core)
		}
	}
	return all
}

// Handler answers one request, or returns why it did not: a fault, which the caller is told, or any other error, which
// is logged and shown as internal.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Front is where all requests come in.
type Front struct {
	opt     Options
	core    Core
	log     *slog.Logger
	mux     *http.ServeMux
	apart   *http.ServeMux // of operations that stand apart; asked once mux has nothing
	kits    []*Kit
	rates   *rate.Meters
	seen    meters
	nowhere *entry // of requests that no route matches
}

// anywhere is the pattern of what no other pattern takes.
const anywhere = "/"

// New returns a front that answers for the surfaces.
func New(opt Options, core Core, surfaces ...Surface) *Front {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Body == 0 {
		opt.Body = 1 << 20
	}
	if opt.BatchBody == 0 {
		opt.BatchBody = 16 << 20
	}
	if opt.Batch == 0 {
		opt.Batch = 1000
	}
	f := &Front{
		opt: opt, core: core, log: opt.Log, mux: http.NewServeMux(), apart: http.NewServeMux(), seen: newMeters(opt.Metrics),
		rates: rate.New(core.Store),
	}
	home := &Kit{Front: f, Surface: Surface{Name: "home", Routes: pages, Fail: failPlain}}
	f.nowhere = f.seen.entry(home, "", "none", 0)
	f.mux.HandleFunc(anywhere, func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := f.apart.Handler(r); pattern != "" {
			f.apart.ServeHTTP(w, r)
			return
		}
		f.unmatched(visitOf(r), r)
	})
	home.Routes(home)
	for _, s := range append([]Surface{shortLinks()}, surfaces...) {
		kit := &Kit{Front: f, Surface: s}
		f.kits = append(f.kits, kit)
		s.Routes(kit)
	}
	return f
}

// Kit is what one surface registers its routes with.
type Kit struct {
	*Front
	Surface
}

// Core is what surfaces call.
func (k *Kit) Core() Core { return k.core }

// PublicURL is how the world reaches this server.
func (k *Kit) PublicURL() string { return k.opt.PublicURL }

// MaxBatch is how many messages one request may send.
func (k *Kit) MaxBatch() int { return k.opt.Batch }

// Handle registers a handler for a pattern such as "GET /tidings/v1/messages/{id}".
func (k *Kit) Handle(pattern string, h Handler) { k.handle(pattern, k.opt.Body, h) }

// HandleBatch is Handle for a request whose body may be as large as a batch.
func (k *Kit) HandleBatch(pattern string, h Handler) { k.handle(pattern, k.opt.BatchBody, h) }

func (k *Kit) handle(pattern string, body int64, h Handler) {
	k.mux.HandleFunc(pattern, k.entryHandler(pattern, body, h))
}

// entryHandler is a handler of one method of one path for ServeMux.
func (k *Kit) entryHandler(pattern string, body int64, h Handler) http.HandlerFunc {
	method, at, _ := strings.Cut(pattern, " ")
	e := k.seen.entry(k, method, at, body)
	return func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r)
		v.entry = e
		k.head(w)
		if err := h(w, r); err != nil {
			k.fail(v, r, err)
		}
	}
}

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{ResponseWriter: w, start: time.Now(), front: f, entry: f.nowhere, remote: f.remote(r)}
	var ctx context.Context
	ctx, v.id = telemetry.NewRequest(r.Context())
	if caller := r.Header["Traceparent"]; f.opt.Traced && len(caller) == 1 {
		ctx = telemetry.WithCaller(ctx, caller[0])
	}
	r = r.WithContext(context.WithValue(ctx, visitKey{}, v))
	header := w.Header()
	header["X-Request-Id"] = []string{v.id}
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
	if len(r.TransferEncoding) > 0 { // it may have had a length besides, and then nothing may follow it (RFC 9112, 6.3)
		header["Connection"] = closeAfter
	}
	defer f.done(v, r)
	if !cleanPath(r.URL.Path) { // ServeMux would redirect
		f.unmatched(v, r)
		return
	}
	f.mux.ServeHTTP(v, r)
}

var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}

	closeAfter = []string{"close"}
)

// done ends a visit: what panicked is answered, and everything is counted and logged.
func (f *Front) done(v *visit, r *http.Request) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { //nolint:errorlint // it is panicked with as it is
			f.seen.note(f.log, v, r)
			panic(p)
		}
		f.log.ErrorContext(r.Context(), "a request panicked", "route", v.entry.path, "panic", discreet(r, fmt.Sprint(p)), "stack", string(debug.Stack()))
		if v.status == 0 {
			v.owner(r).tell(v, r, internal())
		}
	}
	f.seen.note(f.log, v, r)
}

// fail tells the caller what went wrong, and the log what the caller is not told.
func (f *Front) fail(v *visit, r *http.Request, err error) {
	told := fault.Of(err)
	if told == nil {
		if r.Context().Err() != nil { // the caller has gone
			v.status = statusGone
			return
		}
		if told = f.away(); told == nil {
			f.log.ErrorContext(r.Context(), "a request failed", "route", v.entry.path, "err", discreet(r, err.Error()))
			told = internal()
		}
	}
	if v.status != 0 {
		f.log.ErrorContext(r.Context(), "a reply broke off", "route", v.entry.path, "err", discreet(r, err.Error()))
		panic(http.ErrAbortHandler) // else what has no length would look whole
	}
	v.owner(r).tell(v, r, told)
}

// away is why nothing can be answered while the database cannot be reached, which the log has said once; nil while it can.
func (f *Front) away() *fault.Fault {
	if told := fault.Of(f.core.Store.Healthy()); told != nil && told.Code == fault.NotReady {
		return told
	}
	return nil
}

func internal() *fault.Fault {
	return fault.New(fault.InternalError, "something went wrong on our side; the request id finds it in the log")
}

// head writes what is on every reply of the surface.
func (k *Kit) head(w http.ResponseWriter) { maps.Copy(w.Header(), k.Headers) }

// unmatched answers a request that no route takes.
func (f *Front) unmatched(v *visit, r *http.Request) {
	v.owner(r).head(v)
	if allowed := f.methods(r); len(allowed) > 0 {
		v.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		if r.Method == http.MethodOptions {
			f.preflight(v, r, allowed)
			return
		}
		v.owner(r).tell(v, r, fault.New(fault.MethodNotAllowed, "%s is not among the methods of this address", clip([]byte(r.Method))))
		return
	}
	v.owner(r).tell(v, r, fault.New(fault.NotHere, "there is nothing at this address"))
}

// methods are those with which the path of the request would match.
func (f *Front) methods(r *http.Request) (allowed []string) {
	if !cleanPath(r.URL.Path) {
		return nil
	}
	probe := &http.Request{Host: r.Host, URL: r.URL}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe.Method = method
		_, pattern := f.mux.Handler(probe)
		if pattern == anywhere {
			_, pattern = f.apart.Handler(probe)
		}
		if pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// tell writes a fault in the shape of the surface.
func (k *Kit) tell(w http.ResponseWriter, r *http.Request, f *fault.Fault) { k.Fail(k, w, r, f) }

// owner is the surface that answers: the route's, else the one with the longest prefix of the path.
func (v *visit) owner(r *http.Request) *Kit {
	best, length := v.entry.kit, -1
	if v.entry != v.front.nowhere {
		return best
	}
	for _, k := range v.front.kits {
		for _, prefix := range k.Prefixes {
			if len(prefix) > length && strings.HasPrefix(r.URL.Path, prefix) {
				best, length = k, len(prefix)
			}
		}
	}
	return best
}

// cleanPath reports whether the path has no empty or dotted parts.
func cleanPath(p string) bool {
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p != "" && p[0] == '/'
	}
	cleaned := path.Clean(p)
	return cleaned == p || cleaned+"/" == p
}

// failPlain is for paths that are no surface's.
func failPlain(_ *Kit, w http.ResponseWriter, _ *http.Request, f *fault.Fault) {
	page, _ := f.Code.Page()
	http.Error(w, page.Title+": "+f.Text, Statuses{}.Of(f))
}

// Statuses maps faults to the status codes of a surface. The zero value is the native one; a surface names where it differs.
type Statuses struct {
	Kinds map[fault.Kind]int
	Codes map[fault.Code]int
}

// Of is the status code for a fault.
func (s Statuses) Of(f *fault.Fault) int {
	if status, ok := s.Codes[f.Code]; ok {
		return status
	}
	if status, ok := s.Kinds[f.Kind()]; ok {
		return status
	}
	if status, ok := codeStatus[f.Code]; ok {
		return status
	}
	return kindStatus[f.Kind()]
}

var codeStatus = map[fault.Code]int{
	fault.MethodNotAllowed: http.StatusMethodNotAllowed,
	fault.InvalidCursor:    http.StatusBadRequest,
}

var kindStatus = [...]int{
	fault.Internal:     http.StatusInternalServerError,
	fault.Malformed:    http.StatusBadRequest,
	fault.Invalid:      http.StatusUnprocessableEntity,
	fault.Unauthorized: http.StatusUnauthorized,
	fault.Forbidden:    http.StatusForbidden,
	fault.NotFound:     http.StatusNotFound,
	fault.Conflict:     http.StatusConflict,
	fault.NoBalance:    http.StatusPaymentRequired,
	fault.TooLarge:     http.StatusRequestEntityTooLarge,
	fault.TooMany:      http.StatusTooManyRequests,
	fault.Unavailable:  http.StatusServiceUnavailable,
}

// trusts reports whether X-Forwarded-For from the address is believed.
func (f *Front) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(f.opt.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// remote is the address that the request came from: the nearest one that is no trusted proxy.
func (f *Front) remote(r *http.Request) netip.Addr {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().Unmap().WithZone("")
	if len(f.opt.TrustedProxies) == 0 || !f.trusts(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			return addr // what the nearest proxy could not tell, nobody further can
		}
		if addr = next; !f.trusts(addr) {
			return addr
		}
	}
	return addr
}

// parseHop reads an address with or without a port.
func parseHop(hop string) (netip.Addr, error) {
	if ap, err := netip.ParseAddrPort(hop); err == nil {
		return ap.Addr().Unmap().WithZone(""), nil
	}
	a, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return a.Unmap().WithZone(""), err
}
