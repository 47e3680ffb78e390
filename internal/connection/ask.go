package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidings.dev/internal/channel"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Ask is what one server asks the server that has a channel's session.
type Ask struct {
	ID       int64
	Channel  message.ChannelID
	Kind     string
	Question string
	Until    time.Time // after that nobody waits for the answer
}

// AskPrefix begins the names by which servers call each other about asks.
const AskPrefix = "ask:"

func askName(id int64) string { return fmt.Sprintf("%s%d", AskPrefix, id) }

// Ask puts a question to whichever server has the channel's session.
func (k *Keeper) Ask(tx *store.Tx, a Ask) (id int64, err error) {
	id = tx.NewID()
	err = store.Run(tx, addAsk, []addAskParams{{ID: id, ChannelID: a.Channel, Kind: a.Kind, Question: a.Question, ExpiresAt: a.Until.UnixMilli()}})
	if err != nil {
		return 0, fmt.Errorf("ask another server: %w", err)
	}
	return id, tx.Wake([]string{askName(id)})
}

// Asks lists the questions that wait for an answer, of all channels.
func (k *Keeper) Asks(ctx context.Context) ([]Ask, error) {
	rows, err := on(k.store.Reader()).OpenAsks(ctx, openAsksParams{Now: k.store.Now().UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("read what others ask: %w", err)
	}
	list := make([]Ask, len(rows))
	for i, r := range rows {
		list[i] = Ask{ID: r.ID, Channel: r.ChannelID, Kind: r.Kind, Question: r.Question, Until: moment(r.ExpiresAt)}
	}
	return list, nil
}

// TakeAsk makes a question this server's to answer; false when another has taken it.
func (k *Keeper) TakeAsk(tx *store.Tx, id int64) (bool, error) {
	n, err := store.Each(tx, takeAsk, []takeAskParams{{ID: id}})
	if err != nil {
		return false, fmt.Errorf("take what others ask: %w", err)
	}
	return n[0] == 1, nil
}

// Answer answers a question that was taken.
func (k *Keeper) Answer(tx *store.Tx, id int64, answer string) error {
	if err := store.Run(tx, answerAsk, []answerAskParams{{ID: id, Answer: answer}}); err != nil {
		return fmt.Errorf("answer another server: %w", err)
	}
	return tx.Wake([]string{askName(id)})
}

// Answered is the answer to a question, once it is there.
func (k *Keeper) Answered(ctx context.Context, id int64) (answer string, ok bool, err error) {
	answer, err = on(k.store.Reader()).AskAnswered(ctx, askAnsweredParams{ID: id})
	if store.NoRows(err) {
		return "", false, nil
	}
	return answer, err == nil, err
}

// DropAsk forgets a question for whose answer nobody waits any more.
func (k *Keeper) DropAsk(tx *store.Tx, id int64) error {
	if err := store.Run(tx, dropAsk, []dropAskParams{{ID: id}}); err != nil {
		return fmt.Errorf("forget what was asked: %w", err)
	}
	return nil
}

// DropOld forgets questions that nobody waits for, and what is known of numbers for too long.
func DropOld(tx *store.Tx) (more bool, err error) {
	if _, err := store.Each(tx, dropOldAsks, []dropOldAsksParams{{Now: tx.NowMilli()}}); err != nil {
		return false, fmt.Errorf("forget old questions: %w", err)
	}
	n, err := store.Each(tx, dropOldNumberChecks, []dropOldNumberChecksParams{{Now: tx.NowMilli()}})
	if err != nil {
		return false, fmt.Errorf("forget old answers about numbers: %w", err)
	}
	return n[0] > 0, nil
}

// Known tells of which numbers it is remembered whether they have an account of the channel's network.
func (k *Keeper) Known(ctx context.Context, id message.ChannelID, phones []message.Address) (map[message.Address]channel.Known, error) {
	known := map[message.Address]channel.Known{}
	q, now := on(k.store.Reader()), k.store.Now().UnixMilli()
	for _, phone := range phones {
		r, err := q.NumberCheck(ctx, numberCheckParams{ChannelID: id, Phone: phone.String(), Now: now})
		if store.NoRows(err) {
			continue
		}
		one := channel.Known{Phone: phone, There: r.There == 1}
		if err == nil {
			err = json.Unmarshal([]byte(r.Person), &one.Person)
		}
		if err != nil {
			return nil, fmt.Errorf("read what is known of a number: %w", err)
		}
		known[phone] = one
	}
	return known, nil
}

// How long it is remembered whether a number has an account: who has none may get one.
const (
	knownThere = 7 * 24 * time.Hour
	knownNot   = 24 * time.Hour
)

// ForgetNumber forgets whether a number has an account of the channel's network.
func (k *Keeper) ForgetNumber(tx *store.Tx, id message.ChannelID, phone message.Address) error {
	if err := store.Run(tx, dropNumberCheck, []dropNumberCheckParams{{ChannelID: id, Phone: phone.String()}}); err != nil {
		return fmt.Errorf("forget what is known of a number: %w", err)
	}
	return nil
}

// Remember keeps what the network said about numbers.
func (k *Keeper) Remember(tx *store.Tx, id message.ChannelID, known []channel.Known) error {
	rows := make([]putNumberCheckParams, len(known))
	for i, one := range known {
		person, err := json.Marshal(one.Person)
		if err != nil {
			return fmt.Errorf("encode a person: %w", err)
		}
		keep := knownNot
		if one.There {
			keep = knownThere
		}
		rows[i] = putNumberCheckParams{
			ChannelID: id, Phone: one.Phone.String(), There: flag(one.There), Person: string(person), ExpiresAt: tx.Now().Add(keep).UnixMilli(),
		}
	}
	if err := store.Run(tx, putNumberCheck, rows); err != nil {
		return fmt.Errorf("remember what is known of numbers: %w", err)
	}
	return nil
}
