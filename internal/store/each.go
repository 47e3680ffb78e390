package store

import "fmt"

// Each runs one statement for every row of parameters and tells how many rows of the table each touched. Parameters are
// structs whose fields stand in the order of $1, $2, ..., as generated, or single values. A condition that did not hold is a
// zero, not an error; after an error nothing of the transaction is kept, whatever its owner returns.
func Each[P any](tx *Tx, stmt string, params []P) ([]int64, error) {
	touched := make([]int64, len(params))
	if len(params) == 0 {
		return touched, nil
	}
	in, err := planOf[P]()
	if err != nil {
		return touched, tx.fail(stmt, err)
	}
	s, err := tx.statement(stmt)
	if err != nil {
		return touched, err
	}
	for i := range params {
		if err := s.bind(in, addressOf(&params[i])); err != nil {
			return touched, tx.fail(stmt, err)
		}
		if touched[i], err = s.run(); err != nil {
			return touched, tx.fail(stmt, err)
		}
	}
	return touched, nil
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
	in, err := planOf[P]()
	if err != nil {
		return nil, tx.fail(query, err)
	}
	out, err := planOf[R]()
	if err != nil {
		return nil, tx.fail(query, err)
	}
	s, err := tx.statement(query)
	if err != nil {
		return nil, err
	}
	found := make([]Found[R], 0, len(params))
	for i := range params {
		if err := s.bind(in, addressOf(&params[i])); err != nil {
			return nil, tx.fail(query, err)
		}
		if found, err = collect(found, s, i, out); err != nil {
			return nil, tx.fail(query, err)
		}
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

func collect[R any](found []Found[R], s *statement, of int, out *plan) ([]Found[R], error) {
	defer s.reset()
	for {
		more, err := s.step()
		if err != nil || !more {
			return found, err
		}
		found = append(found, Found[R]{Of: of})
		if err := s.read(out, addressOf(&found[len(found)-1].Row)); err != nil {
			return nil, err
		}
	}
}

// statement prepares a statement once per connection. A transaction in which a statement failed runs no other: SQLite
// may have ended it, and what came after would stand alone.
func (tx *Tx) statement(text string) (*statement, error) {
	if tx.failed != nil {
		return nil, tx.failed
	}
	s, err := tx.conn.prepare(text)
	if err != nil {
		tx.failed = err
	}
	return s, err
}

// fail notes why the transaction cannot be kept.
func (tx *Tx) fail(stmt string, err error) error {
	tx.failed = fmt.Errorf("run %.60q: %w", stmt, err)
	return tx.failed
}
