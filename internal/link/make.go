package link

import (
	"fmt"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Most is how many links one message may have.
const Most = 50

// tries is how many codes are drawn for one link. With ten million links, one draw in ten million meets a code that is taken.
const tries = 5

// Wish is a URL of a message that a link is to stand for.
type Wish struct {
	Account account.ID
	Message message.ID
	Target  string
	Since   time.Time // when the message may first be sent
}

// Make adds the links, in the transaction, and returns their codes: "" where each one drawn was taken.
func (k *Keeper) Make(tx *store.Tx, wishes []Wish) ([]string, error) {
	codes := make([]string, len(wishes))
	open := make([]int, len(wishes))
	for i := range open {
		open[i] = i
	}
	for n := 0; n < tries && len(open) > 0; n++ {
		rows := make([]addLinkParams, len(open))
		for i, of := range open {
			w := wishes[of]
			rows[i] = addLinkParams{ID: tx.NewID(), AccountID: w.Account, MessageID: w.Message, Code: k.Code(), Target: w.Target, Since: w.Since.UnixMilli()}
		}
		added, err := store.Each(tx, addLink, rows)
		if err != nil {
			return nil, fmt.Errorf("make links: %w", err)
		}
		var left []int
		for i, of := range open {
			if added[i] == 0 {
				left = append(left, of)
				continue
			}
			codes[of] = rows[i].Code
		}
		open = left
	}
	return codes, nil
}
