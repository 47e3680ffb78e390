package queue

import (
	"context"
	"fmt"

	"tidings.dev/internal/store"
)

// About reports whether a job has one of the keys from one to before another, or is about one of them. It looks at all jobs.
func (q *Queue) About(ctx context.Context, from, before int64) (bool, error) {
	_, err := on(q.store.Reader()).JobAbout(ctx, jobAboutParams{FromID: from, BeforeID: before})
	if store.NoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for jobs about a span of keys: %w", err)
	}
	return true, nil
}

// AddedAbout is About within a transaction, for the jobs with a key not below added: few, if that was a moment ago.
func (q *Queue) AddedAbout(tx *store.Tx, added, from, before int64) (bool, error) {
	found, err := store.First[int64](tx, jobAbout, []jobAboutParams{{Added: added, FromID: from, BeforeID: before}})
	if err != nil {
		return false, fmt.Errorf("look for new jobs about a span of keys: %w", err)
	}
	return found[0] != nil, nil
}
