package store

import (
	"errors"
	"fmt"
	"unsafe"
)

// Each runs one statement for every row of parameters and tells how many rows of the table each touched. Parameters are
// structs whose fields stand in the order of $1, $2, ..., as generated, or single values. A condition that did not hold is a
// zero, not an error; after an error nothing of the transaction is kept, whatever its owner returns.
func Each[P any](tx *Tx, stmt string, params []P) ([]int64, error) {
	touched := make([]int64, len(params))
	return touched, run(tx, stmt, params, touched)
}

// Run is Each for who need not know what was touched. On PostgreSQL the rows then go out with the next statement that
// answers something, and what is wrong with them may only be told there, or by the commit.
func Run[P any](tx *Tx, stmt string, params []P) error { return run(tx, stmt, params, nil) }

func run[P any](tx *Tx, stmt string, params []P, touched []int64) error {
	if len(params) == 0 {
		return nil
	}
	in, err := rowsOf(params)
	if err == nil {
		err = tx.usable(func() error { return tx.conn.each(stmt, in, touched) })
	}
	return tx.failing(stmt, err)
}

// Found is a row that Find read, and which of the parameters it answers.
type Found[R any] struct {
	Of  int
	Row R
}

// Find runs one query for every row of parameters and returns the rows of all, in order. R is a struct whose fields
// stand in the order of the query's columns, as generated, or a single value.
func Find[R, P any](tx *Tx, query string, params []P) ([]Found[R], error) {
	if len(params) == 0 {
		return nil, nil
	}
	in, err := rowsOf(params)
	if err != nil {
		return nil, tx.failing(query, err)
	}
	out, err := planOf[R]()
	if err != nil {
		return nil, tx.failing(query, err)
	}
	found := make([]Found[R], 0, len(params))
	err = tx.usable(func() error {
		return tx.conn.find(query, in, out, func(of int) unsafe.Pointer {
			found = append(found, Found[R]{Of: of})
			return addressOf(&found[len(found)-1].Row)
		})
	})
	if err != nil {
		return nil, tx.failing(query, err)
	}
	return found, nil
}

// First is Find for queries that answer at most one row: the i-th result answers the i-th parameters, nil for none.
func First[R, P any](tx *Tx, query string, params []P) ([]*R, error) {
	found, err := Find[R](tx, query, params)
	if err != nil {
		return nil, err
	}
	rows := make([]*R, len(params))
	for i := range found {
		rows[found[i].Of] = &found[i].Row
	}
	return rows, nil
}

// usable runs f unless a statement of the transaction has failed: the engine may have ended it, and what came after would
// stand alone.
func (tx *Tx) usable(f func() error) error {
	if tx.failed != nil {
		return tx.failed
	}
	return f()
}

// failing notes why the transaction cannot be kept.
func (tx *Tx) failing(stmt string, err error) error {
	if err == nil || errors.Is(err, tx.failed) {
		return err
	}
	tx.failed = fmt.Errorf("run %.60q: %w", stmt, err)
	return tx.failed
}
