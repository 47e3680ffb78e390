package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"tidings.dev/internal/store"
)

// one is the key of the only chain.
const one = 1

// headOf is the end of the chain: where the next row joins it.
func headOf(tx *store.Tx) (headRow, error) {
	rows, err := store.First[headRow](tx, head, []headParams{{Chain: one}})
	if err != nil {
		return headRow{}, fmt.Errorf("find the end of the audit log: %w", err)
	}
	if rows[0] == nil {
		return headRow{Oldest: 1}, nil
	}
	return *rows[0], nil
}

func setHeadTo(tx *store.Tx, end headRow) error {
	if err := store.Run(tx, setHead, []setHeadParams{{Chain: one, Seq: end.Seq, Oldest: end.Oldest, Hash: end.Hash}}); err != nil {
		return fmt.Errorf("move the end of the audit log: %w", err)
	}
	return nil
}

// linked is a row as it is hashed.
type linked struct {
	Seq, ID, Account int64
	Texts            [8]string
}

// hashOf is the hash of a row with the one before in it: SHA-256 of the row as JSON.
func hashOf(r auditRecord) string {
	l := linked{r.Seq, r.ID, int64(r.AccountID), [8]string{r.Actor, r.Action, r.Subject, r.Detail, r.Address, r.Previous, r.Was, r.Became}}
	for i, text := range l.Texts {
		l.Texts[i] = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD") // as it is stored
	}
	sum := sha256.Sum256([]byte(Values(l)))
	return hex.EncodeToString(sum[:])
}

// Verify walks the chain from its oldest row to its end. It returns how many rows there are, or an error that names the first
// place where a row was changed, is missing, or was put in. What is appended meanwhile is not looked at.
func Verify(ctx context.Context, s *store.Store) (rows int, err error) {
	q := on(s.Reader())
	for {
		end, err := q.end(ctx)
		if err != nil {
			return 0, err
		}
		rows, broken := q.walk(ctx, end)
		if broken == nil {
			return rows, nil
		}
		if now, err := q.end(ctx); err != nil || now.Oldest == end.Oldest { // else retention was faster
			return rows, errors.Join(broken, err)
		}
	}
}

func (q *queries) end(ctx context.Context) (headRow, error) {
	end, err := q.Head(ctx, headParams{Chain: one})
	if store.NoRows(err) {
		return headRow{Oldest: 1}, nil
	}
	if err != nil {
		return end, fmt.Errorf("find the end of the audit log: %w", err)
	}
	return end, nil
}

func (q *queries) walk(ctx context.Context, end headRow) (rows int, err error) {
	at, hash := end.Oldest-1, ""
	for at < end.Seq {
		page, err := q.ChainFrom(ctx, chainFromParams{After: at})
		if err != nil {
			return rows, fmt.Errorf("read the audit log: %w", err)
		}
		if len(page) == 0 {
			return rows, broken("row %d is missing", at+1)
		}
		for _, r := range page {
			switch {
			case at == end.Seq:
			case r.Seq != at+1:
				return rows, broken("row %d is missing", at+1)
			case rows > 0 && r.Previous != hash:
				return rows, broken("row %d was changed, or what follows it", at)
			default:
				at, hash = r.Seq, hashOf(r)
				rows++
			}
		}
	}
	if rows > 0 && hash != end.Hash {
		return rows, broken("row %d was changed, or put there", at)
	}
	return rows, nil
}

func broken(format string, args ...any) error {
	return fmt.Errorf("the audit log is broken: "+format, args...)
}
