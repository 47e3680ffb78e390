package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// unreachableError says that the database was not there, and nothing of the transaction is.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return "the database cannot be reached: " + e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// lostError says that nobody knows what became of a transaction.
type lostError struct{ err error }

func (e *lostError) Error() string { return "the answer to a commit was lost: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// troubles by PostgreSQL's error code (documentation, appendix A), or by its class.
var troubles = map[string]trouble{
	"40001": conflict, "40P01": conflict, // serialization, deadlock
	"55P03": blocked, // lock_timeout
	"53100": diskFull,
	"08":    unreachable, "57P01": unreachable, "57P02": unreachable, "57P03": unreachable, "53300": unreachable,
	"25006": unreachable, // read only: it has become a standby
	"25P03": unreachable, // idle_in_transaction_session_timeout
	"XX001": untrusted, "XX002": untrusted,
}

func (c *postgresConn) trouble(err error) trouble {
	if _, ok := errors.AsType[*lostError](err); ok {
		return lost
	}
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return unreachable
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && len(e.Code) == 5 {
		if t, known := troubles[e.Code]; known {
			return t
		}
		if t, known := troubles[e.Code[:2]]; known {
			return t
		}
	}
	if c.sql == nil || c.raw.IsClosed() {
		return unreachable
	}
	return noTrouble
}
