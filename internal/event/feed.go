package event

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/store"
)

// Place is where an event stands in the order in which all came to be on disk. One writer at a time gives them away, within his
// transaction, so that whoever has seen one place sees no lower one later than that.
type Place int64

// perMilli is how many places there are in a millisecond; when there are more events, time is borrowed from the next.
const perMilli = 1 << 20

// PlaceAt is the place before all events of a time and later.
func PlaceAt(t time.Time) Place { return Place(t.UnixMilli()) * perMilli }

// places gives the places of a transaction away. It takes some at a time: most transactions append events several times.
type places struct {
	of         *store.Tx
	next, last int64
}

const placesAtOnce = 256

// take returns the first of so many places for events of the transaction.
func (p *places) take(tx *store.Tx, n int) (int64, error) {
	if p.of != tx || p.next+int64(n)-1 > p.last {
		many := int64(max(n, placesAtOnce))
		last, err := store.First[int64](tx, takePlaces, []takePlacesParams{{Now: int64(PlaceAt(tx.Now())), Many: many}})
		if err != nil {
			return 0, fmt.Errorf("take places: %w", err)
		}
		p.of, p.next, p.last = tx, *last[0]-many+1, *last[0]
	}
	first := p.next
	p.next += int64(n)
	return first, nil
}

// Ask is for the events of a feed: of an account, after a place, at most so many.
type Ask struct {
	Account account.ID
	Subject int64    // of this one alone; 0: of all
	Kinds   []string // of these alone, as Kind.Matches has them; none: of all
	After   Place
	Page    int
}

// feedWindow is how many events are looked at for one page: those of one kind may be rare among very many.
const feedWindow = 5000

// Feed returns events in the order of their places, and how far it has looked. Whoever asks again after that misses none. Of
// some kinds there may be fewer than there are, and yet more after them.
func (l *Log) Feed(ctx context.Context, a Ask) (events []Event, looked Place, err error) {
	looked = a.After
	page := a.Page
	if len(a.Kinds) > 0 {
		page = max(page, 500)
	}
	for seen := 0; seen < feedWindow && len(events) < a.Page; seen += page {
		rows, err := l.read(ctx, a, looked, page)
		if err != nil {
			return nil, looked, fmt.Errorf("read the feed: %w", err)
		}
		for _, r := range rows {
			if looked = Place(r.Place); Kind(r.Kind).matchesAny(a.Kinds) {
				if events = append(events, eventOf(r)); len(events) == a.Page {
					break
				}
			}
		}
		if len(rows) < page {
			break
		}
	}
	return events, looked, nil
}

func (l *Log) read(ctx context.Context, a Ask, after Place, page int) ([]eventRecord, error) {
	rows := on(l.store.Reader())
	if a.Subject != 0 {
		return rows.FeedOf(ctx, feedOfParams{Subject: a.Subject, AccountID: a.Account, After: int64(after), Page: int64(page)})
	}
	return rows.Feed(ctx, feedParams{AccountID: a.Account, After: int64(after), Page: int64(page)})
}

// Matches reports whether a pattern means the kind: its name, a family such as "message.*", or "*".
func (k Kind) Matches(pattern string) bool {
	if pattern == "*" || pattern == string(k) {
		return true
	}
	family, ok := strings.CutSuffix(pattern, "*")
	return ok && strings.HasSuffix(family, ".") && strings.HasPrefix(string(k), family)
}

func (k Kind) matchesAny(patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, k.Matches)
}

// Known reports whether a pattern means any kind there is.
func Known(pattern string) bool {
	return slices.ContainsFunc(Kinds, func(k Kind) bool { return k.Matches(pattern) })
}

// Now is the place of the last event of all: what comes to be on disk from now on is after it.
func (l *Log) Now(ctx context.Context) (Place, error) {
	n, err := on(l.store.Reader()).LastPlace(ctx)
	if err != nil && !store.NoRows(err) {
		return 0, fmt.Errorf("read the last place: %w", err)
	}
	return Place(n), nil
}

// waiters are who waits for an account's next event.
type waiters struct {
	mu    sync.Mutex
	of    map[account.ID]map[chan struct{}]bool
	ended chan struct{}
}

func newWaiters() waiters {
	return waiters{of: map[account.ID]map[chan struct{}]bool{}, ended: make(chan struct{})}
}

// wait returns a channel that is told when the account has new events on disk, and how to leave.
func (w *waiters) wait(a account.ID) (told <-chan struct{}, leave func()) {
	bell := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[a] == nil {
		w.of[a] = map[chan struct{}]bool{}
	}
	w.of[a][bell] = true
	return bell, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.of[a], bell)
		if len(w.of[a]) == 0 {
			delete(w.of, a)
		}
	}
}

// awaited reports whether anybody waits.
func (w *waiters) awaited() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.of) > 0
}

func (w *waiters) tell(events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		for bell := range w.of[e.Account] {
			select {
			case bell <- struct{}{}:
			default:
			}
		}
	}
}

// EndWaits lets nobody wait any more: the server stops. It must be called once at most.
func (l *Log) EndWaits() { close(l.waiters.ended) }

// elsewhere is how often a wait looks for what other servers have written.
const elsewhere = time.Second

// Await is Feed that waits until there is an event, for so long at most, or until ctx ends.
func (l *Log) Await(ctx context.Context, a Ask, atMost time.Duration) (events []Event, looked Place, err error) {
	told, leave := l.waiters.wait(a.Account)
	defer leave()
	end := time.NewTimer(atMost)
	defer end.Stop()
	tick := time.NewTicker(elsewhere)
	defer tick.Stop()
	for {
		if events, looked, err = l.Feed(ctx, a); err != nil || len(events) > 0 {
			return events, looked, err
		}
		if looked > a.After {
			a.After = looked // there may be more
		}
		select {
		case <-told:
		case <-tick.C:
		case <-end.C:
			return nil, looked, nil
		case <-l.waiters.ended:
			return nil, looked, nil
		case <-ctx.Done():
			return nil, looked, nil
		}
	}
}
