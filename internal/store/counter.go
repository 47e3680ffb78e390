package store

import "fmt"

// takeNumber is one statement, so that two who ask at once never get the same.
const takeNumber = `INSERT INTO counter (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value`

// NextNumber is the next positive number of a counter, from 1. None is given twice, unless the transaction fails. Programs that know things
// by small numbers are told these: a counter has 31 bits.
func (tx *Tx) NextNumber(counter string) (int, error) {
	rows, err := First[int64](tx, takeNumber, []string{counter})
	if err != nil {
		return 0, fmt.Errorf("take a number of %s: %w", counter, err)
	}
	return int(*rows[0]), nil
}
