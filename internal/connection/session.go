package connection

import (
	"context"
	"fmt"

	"tidings.dev/internal/message"
	"tidings.dev/internal/store"
)

// Session is a live session of a channel that every server may open.
type Session struct {
	Boot   int64 // the start of the server that has it
	Window int
}

// sessionName is what servers call each other by about the sessions of a channel.
func sessionName(id message.ChannelID) string { return fmt.Sprintf("session:%d", int64(id)) }

// Opened writes down that this server has a session of the channel.
func (k *Keeper) Opened(tx *store.Tx, id message.ChannelID, window int) error {
	err := store.Run(tx, addSession, []addSessionParams{{ChannelID: id, Node: tx.Boot(), Parts: int64(window)}})
	if err != nil {
		return fmt.Errorf("write down a session: %w", err)
	}
	return tx.Wake([]string{sessionName(id)})
}

// Closed writes down that this server has no session of the channel any more.
func (k *Keeper) Closed(tx *store.Tx, id message.ChannelID) error {
	err := store.Run(tx, dropSession, []dropSessionParams{{ChannelID: id, Node: tx.Boot()}})
	if err != nil {
		return fmt.Errorf("write down the end of a session: %w", err)
	}
	return tx.Wake([]string{sessionName(id)})
}

// Bury forgets the sessions of a dead server, and how they were.
func (k *Keeper) Bury(_ context.Context, boot int64) error {
	return k.store.Write(func(tx *store.Tx) error {
		if err := store.Run(tx, dropSessionsOf, []int64{boot}); err != nil {
			return fmt.Errorf("forget the sessions of a dead server: %w", err)
		}
		return k.forget(tx, boot)
	})
}

// Sessions lists the live sessions of a channel on all servers, in the order in which the servers started.
func (k *Keeper) Sessions(ctx context.Context, id message.ChannelID) ([]Session, error) {
	rows, err := on(k.store.Reader()).SessionsOf(ctx, sessionsOfParams{ChannelID: id})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list := make([]Session, len(rows))
	for i, r := range rows {
		list[i] = Session{Boot: r.Node, Window: int(r.Parts)}
	}
	return list, nil
}
