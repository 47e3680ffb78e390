package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// keepEarly is how long a receipt waits for the result it is about.
const keepEarly = 72 * time.Hour

// news is one receipt within a shared transaction.
type news struct{ receipt message.Receipt }

// Receipt stores what a network says about a part and changes the message by it. When it returns nil the news is on disk
// and may be acknowledged. A receipt about nothing known is kept 72 hours, since it may be ahead of its result.
func (g *Gateway) Receipt(_ context.Context, r message.Receipt) error {
	if r.RemoteID == "" {
		return fault.New(fault.InvalidField, "the receipt names no message")
	}
	return g.commitReceipt(&news{receipt: r})
}

// receive applies the receipts that came together.
func (g *Gateway) receive(tx *store.Tx, members []*news) error {
	matches, err := g.match(tx, members)
	if err != nil {
		return err
	}
	identified, err := g.identify(tx, members, matches)
	if err != nil {
		return err
	}
	if identified {
		if matches, err = g.match(tx, members); err != nil {
			return err
		}
	}
	states := map[message.ID]*state{}
	deep := map[message.ID]*state{} // those with more parts than the one that was found
	for i := range members {
		if r := matches[i]; r != nil && states[r.ID] == nil {
			s := stateOfMatch(r)
			states[r.ID] = s
			if r.Total > 1 || r.Attempt > 1 || r.PartAttempt > 1 {
				s.parts = nil
				deep[r.ID] = s
			}
		}
	}
	if err := g.loadParts(tx, deep); err != nil {
		return err
	}
	var list []*state
	for i, n := range members {
		if r := matches[i]; r != nil {
			s := states[r.ID]
			s.report(r, n.receipt, tx.Now())
			list = append(list, s)
			continue
		}
		if err := g.keepEarly(tx, n.receipt); err != nil {
			return err
		}
	}
	list = slices.Compact(sorted(list))
	for _, s := range list {
		if s.from.Waiting() && !s.row.Status.Waiting() { // of a text that cannot arrive any more, or has, nothing more goes out
			if _, err := g.takeBack(tx, s); err != nil {
				return err
			}
		}
	}
	return g.write(tx, list)
}

func sorted(list []*state) []*state {
	slices.SortFunc(list, byID)
	return list
}

// spellings are the ids under which we may know the part a receipt is about.
func spellings(r message.Receipt) []string { return append([]string{r.RemoteID}, r.RemoteIDs...) }

// echoName is the name under which an early receipt is kept that repeats a reference of ours.
func echoName(echo uint16) string { return "#" + echoText(echo) }

// earlyNames are the names under which an early receipt is kept.
func earlyNames(r message.Receipt) []string {
	names := spellings(r)
	if r.Reference != 0 {
		names = append(names, echoName(r.Reference))
	}
	return names
}

// match finds the part that each receipt is about: the newest with that id to that destination that is not yet
// delivered, else the newest.
func (g *Gateway) match(tx *store.Tx, members []*news) ([]*partsByRemoteRow, error) {
	var asks []partsByRemoteParams
	var of []int
	for i, n := range members {
		for _, id := range spellings(n.receipt) {
			asks = append(asks, partsByRemoteParams{ChannelID: n.receipt.Channel, RemoteID: id})
			of = append(of, i)
		}
	}
	found, err := store.Find[partsByRemoteRow](tx, partsByRemote, asks)
	if err != nil {
		return nil, fmt.Errorf("find parts by their remote id: %w", err)
	}
	matches := make([]*partsByRemoteRow, len(members))
	for k := range found {
		i, r := of[found[k].Of], &found[k].Row
		if !sameNumber(members[i].receipt.To, r.Recipient) {
			continue
		}
		if have := matches[i]; have == nil || better(r, have) {
			matches[i] = r
		}
	}
	return matches, nil
}

// sameNumber reports whether a network's idea of the recipient fits ours. Networks write numbers with and without plus,
// prefix and zeros, and some name nobody.
func sameNumber(theirs message.Address, ours string) bool {
	if nameKind(theirs.Kind) || nameKind(message.ParseAddress(ours).Kind) {
		return true // people have several such addresses, and groups many receipts; the id says enough
	}
	a, b := digits(theirs.Value), digits(ours)
	n := min(len(a), len(b), 7)
	return n < 7 || a[len(a)-n:] == b[len(b)-n:]
}

func digits(text string) string { return strings.Trim(text, "+ ") }

// better reports whether a receipt is more likely about a than about b.
func better(a, b *partsByRemoteRow) bool {
	openA, openB := message.Status(a.PartStatus) < message.Delivered, message.Status(b.PartStatus) < message.Delivered
	if openA != openB {
		return openA
	}
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.PartAttempt, b.PartAttempt)) > 0
}

func stateOfMatch(r *partsByRemoteRow) *state {
	s := stateOf(messageRecord{
		ID: r.ID, AccountID: r.AccountID, Status: r.Status, Seq: r.Seq, Attempt: r.Attempt, Total: r.Total, Price: r.Price,
		Duplicate: r.Duplicate, Reason: r.Reason, ChannelID: r.Carrier, Kind: r.Kind,
	})
	s.parts = []partRecord{r.part()}
	return s
}

func (r *partsByRemoteRow) part() partRecord {
	return partRecord{
		MessageID: r.ID, Attempt: r.PartAttempt, Number: r.Number, AccountID: r.AccountID, ChannelID: r.ChannelID,
		RemoteID: r.RemoteID, Status: r.PartStatus, Code: r.Code, SentAt: r.SentAt, DoneAt: r.DoneAt,
	}
}

// nameKind reports whether addresses of the kind are names of a network's own, and not numbers.
func nameKind(kind message.AddressKind) bool {
	return kind == message.LID || kind == message.Group || kind == message.BSUID
}

// played is the code of a part whose voice note was listened to.
const played = "played"

// report applies a receipt to the part it is about.
func (s *state) report(r *partsByRemoteRow, rec message.Receipt, now time.Time) {
	if message.Status(r.PartStatus) == message.Received {
		return // it came from there
	}
	s.rise(r, rec, now)
	if rec.Played {
		s.listened(r, now)
	}
}

// rise brings the part, and its message, up to the receipt.
func (s *state) rise(r *partsByRemoteRow, rec message.Receipt, now time.Time) {
	part := r.part()
	if message.Status(part.Status) >= rec.Status {
		return
	}
	part.Status, part.Code, part.DoneAt = int16(rec.Status), rec.Code, milli(rec.At)
	if part.DoneAt == 0 {
		part.DoneAt = now.UnixMilli()
	}
	if rec.Status == message.Sent {
		part.DoneAt = 0
	}
	s.setPart(part)
	if s.row.Status.Waiting() && s.fold() == message.Unknown {
		return // what is unknown of it goes out again
	}
	s.refold(now, event.Change{Reason: rec.Reason, Code: rec.Code, Attempt: int(r.PartAttempt)})
}

// listened notes once that a voice note was played, however many devices say so.
func (s *state) listened(r *partsByRemoteRow, now time.Time) {
	i := slices.IndexFunc(s.parts, func(p partRecord) bool { return p.Attempt == r.PartAttempt && p.Number == r.Number })
	if i < 0 || s.parts[i].Code == played || message.Status(s.parts[i].Status) != message.Read {
		return
	}
	s.parts[i].Code = played
	if !slices.Contains(s.fresh, i) && !slices.Contains(s.marked, i) {
		s.marked = append(s.marked, i)
	}
	s.happen(event.Played, now, event.Change{Attempt: int(r.PartAttempt)})
}

// early remembers which receipts wait in the table, so that most results need not look. It may name too many, and before they
// were read, as while the queue recovers, any may wait.
type early struct {
	mu   sync.Mutex
	read bool
	keys map[earlyOfParams]struct{}
}

func newEarly() early { return early{keys: map[earlyOfParams]struct{}{}} }

func (e *early) add(k earlyOfParams) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys[k] = struct{}{}
}

func (e *early) has(k earlyOfParams) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.keys[k]
	return ok || !e.read
}

func (e *early) remove(k earlyOfParams) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.keys, k)
}

func (e *early) replace(rows []earlyKeysRow) {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.keys)
	e.read = true
	for _, r := range rows {
		e.keys[earlyOfParams(r)] = struct{}{}
	}
}

// loadEarly reads what an earlier start of the server, or another node, put by.
func (g *Gateway) loadEarly(ctx context.Context) error {
	rows, err := on(g.Store.Reader()).EarlyKeys(ctx)
	if err != nil {
		return fmt.Errorf("read early receipts: %w", err)
	}
	g.early.replace(rows)
	return nil
}

func (g *Gateway) keepEarly(tx *store.Tx, r message.Receipt) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode receipt: %w", err)
	}
	var rows []addEarlyParams
	for _, id := range earlyNames(r) {
		rows = append(rows, addEarlyParams{ID: tx.NewID(), ChannelID: r.Channel, RemoteID: id, Receipt: string(text), ExpiresAt: tx.Now().Add(keepEarly).UnixMilli()})
		g.early.add(earlyOfParams{ChannelID: r.Channel, RemoteID: id})
	}
	if err := store.Run(tx, addEarly, rows); err != nil {
		return fmt.Errorf("keep an early receipt: %w", err)
	}
	return nil
}

// takeEarly applies the receipts that came before the result they are about.
func (g *Gateway) takeEarly(tx *store.Tx, s *state, p *sending, early earlyReceipts) error {
	key := p.earlyKey()
	var drop []dropEarlyParams
	for _, rec := range early.take(key, p.row.Recipient) {
		sent := g.partOf(p, message.Sent, "")
		s.report(&partsByRemoteRow{
			ID: p.row.ID, AccountID: p.row.AccountID, PartAttempt: sent.Attempt, Number: sent.Number, ChannelID: sent.ChannelID,
			RemoteID: sent.RemoteID, PartStatus: sent.Status, SentAt: sent.SentAt,
		}, rec.Receipt, tx.Now())
		for _, id := range earlyNames(rec.Receipt) {
			drop = append(drop, dropEarlyParams{ChannelID: rec.Channel, RemoteID: id, Receipt: rec.text})
		}
	}
	if len(drop) == 0 {
		return nil
	}
	if err := store.Run(tx, dropEarly, drop); err != nil {
		return fmt.Errorf("drop early receipts: %w", err)
	}
	if len(early[key]) == 0 { // else some are about other recipients, whose results are still to come
		tx.After(func() { g.early.remove(key) })
	}
	return nil
}

// earlyKey is under which name the receipts of the part were put by that came before its result.
func (p *sending) earlyKey() earlyOfParams {
	return earlyOfParams{ChannelID: p.row.ChannelID, RemoteID: p.remote}
}

// earlyReceipt is a receipt as it was put by.
type earlyReceipt struct {
	message.Receipt
	text string
}

// earlyReceipts are those that were put by, by their names.
type earlyReceipts map[earlyOfParams][]earlyReceipt

// earlyUnder reads what was put by under any of the names, in one look.
func (g *Gateway) earlyUnder(tx *store.Tx, names []earlyOfParams) (earlyReceipts, error) {
	early, asks := earlyReceipts{}, make([]earlyOfParams, 0, len(names))
	for _, name := range names {
		_, asked := early[name]
		if asked || !g.Store.Shared() && !g.early.has(name) { // another server may have put one by
			continue
		}
		early[name], asks = nil, append(asks, name)
	}
	found, err := store.Find[earlyOfRow](tx, earlyOf, asks)
	if err != nil {
		return nil, fmt.Errorf("read early receipts: %w", err)
	}
	for _, f := range found {
		rec := earlyReceipt{text: f.Row.Receipt}
		if err := json.Unmarshal([]byte(rec.text), &rec.Receipt); err != nil {
			return nil, fmt.Errorf("read an early receipt: %w", err)
		}
		early[asks[f.Of]] = append(early[asks[f.Of]], rec)
	}
	return early, nil
}

// take takes those out that are about the recipient, under all their names: a receipt is about one part.
func (e earlyReceipts) take(name earlyOfParams, recipient string) (fitting []earlyReceipt) {
	for _, rec := range e[name] {
		if sameNumber(rec.To, recipient) {
			fitting = append(fitting, rec)
		}
	}
	for _, rec := range fitting {
		for _, id := range earlyNames(rec.Receipt) {
			other := earlyOfParams{ChannelID: rec.Channel, RemoteID: id}
			e[other] = slices.DeleteFunc(e[other], func(r earlyReceipt) bool { return r.text == rec.text })
		}
	}
	return fitting
}

// dropOldEarly is a share of the work of forgetting receipts whose results never came.
func (g *Gateway) dropOldEarly(tx *store.Tx) (more bool, err error) {
	n, err := store.Each(tx, dropOldEarly, []int64{tx.NowMilli()})
	if err != nil || n[0] == 0 {
		return false, err
	}
	rows, err := on(tx.Queries()).EarlyKeys(tx.Context())
	if err != nil {
		return false, fmt.Errorf("read early receipts: %w", err)
	}
	tx.After(func() { g.early.replace(rows) })
	return true, nil
}
