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

// topicPairing names what is kept in memory: which channels somebody wants to link.
const topicPairing = "pairing"

// pairingIdle is how long a wish to link a channel may wait for a server to begin with it.
const pairingIdle = 30 * time.Second

// PairingState is how far the linking of a channel is.
type PairingState string

// The states.
const (
	PairingAsked   PairingState = "asked"   // no server has begun with it
	PairingRunning PairingState = "running" // the phone is shown codes
	PairingLinked  PairingState = "linked"
	PairingFailed  PairingState = "failed"
)

// Pairing is the newest wish to link a channel, and what came of it.
type Pairing struct {
	Channel message.ChannelID
	ID      int64
	Phone   string // whose owner types a code; empty: he scans one
	State   PairingState
	Boot    int64        // the start of the server that links it; 0: none yet
	Step    int          // grows with each change
	Code    channel.Code // the newest; empty before the first one, and once it is over
	Failure string       // why it failed, for programs
	Reason  string       // and for people
	Asked   time.Time
	Ended   time.Time
}

// Over reports whether nothing more comes of it.
func (p *Pairing) Over() bool { return p.State == PairingLinked || p.State == PairingFailed }

// callName is what servers call each other by about a channel.
func callName(id message.ChannelID) string { return fmt.Sprintf("channel:%d", int64(id)) }

// AskPairing asks for the channel to be linked: by a code that the owner of phone types, or by one that is scanned. While one runs
// already, that one stays.
func (k *Keeper) AskPairing(tx *store.Tx, id message.ChannelID, phone string) (asked bool, err error) {
	n, err := store.Each(tx, askPairing, []askPairingParams{{
		ChannelID: id, ID: tx.NewID(), Phone: phone, AskedAt: tx.NowMilli(), Stale: tx.Now().Add(-pairingIdle).UnixMilli(),
	}})
	return changedPairing(tx, id, n, err)
}

// BeginPairing takes the wish for this server.
func (k *Keeper) BeginPairing(tx *store.Tx, p Pairing) (bool, error) {
	n, err := store.Each(tx, beginPairing, []beginPairingParams{{ChannelID: p.Channel, ID: p.ID, Node: tx.Boot()}})
	return changedPairing(tx, p.Channel, n, err)
}

// ShowCode writes down what the phone is shown now; false when the pairing is over or another server's.
func (k *Keeper) ShowCode(tx *store.Tx, p Pairing, c channel.Code) (bool, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("encode a code: %w", err)
	}
	sealed, err := k.store.Seal(codePlace(p.Channel), string(text))
	if err != nil {
		return false, err
	}
	n, err := store.Each(tx, showCode, []showCodeParams{{ChannelID: p.Channel, ID: p.ID, Node: tx.Boot(), Code: sealed, ValidUntil: milli(c.Until)}})
	if err == nil && n[0] == 1 { // who runs it and that it runs stays as it was
		return true, tx.Wake([]string{callName(p.Channel)})
	}
	return false, err
}

// codePlace is where a code is sealed for.
func codePlace(id message.ChannelID) string { return fmt.Sprintf("pairing/%d", int64(id)) }

// EndPairing writes down what came of it; false when that was known.
func (k *Keeper) EndPairing(tx *store.Tx, p Pairing, state PairingState, failure, reason string) (bool, error) {
	n, err := store.Each(tx, endPairing, []endPairingParams{{
		ChannelID: p.Channel, ID: p.ID, State: string(state), Failure: failure, Reason: reason, EndedAt: tx.NowMilli(),
	}})
	return changedPairing(tx, p.Channel, n, err)
}

func changedPairing(tx *store.Tx, id message.ChannelID, n []int64, err error) (bool, error) {
	if err != nil {
		return false, fmt.Errorf("write down a pairing: %w", err)
	}
	if n[0] == 0 {
		return false, nil
	}
	if err := tx.Touch(topicPairing); err != nil {
		return false, err
	}
	return true, tx.Wake([]string{callName(id)})
}

// Pairing reads the newest wish to link a channel; false when there was none.
func (k *Keeper) Pairing(ctx context.Context, id message.ChannelID) (p Pairing, ok bool, err error) {
	r, err := on(k.store.Reader()).PairingOf(ctx, pairingOfParams{ChannelID: id})
	if store.NoRows(err) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read a pairing: %w", err)
	}
	p = Pairing{
		Channel: r.ChannelID, ID: r.ID, Phone: r.Phone, State: PairingState(r.State), Boot: r.Node, Step: int(r.Step),
		Failure: r.Failure, Reason: r.Reason, Asked: moment(r.AskedAt), Ended: moment(r.EndedAt),
	}
	if r.Code == "" {
		return p, true, nil
	}
	text, err := k.store.Unseal(codePlace(id), r.Code)
	if err == nil {
		err = json.Unmarshal([]byte(text), &p.Code)
	}
	return p, true, err
}

// Wanted reports whether somebody waits for the channel to be linked. It costs a look into memory.
func (k *Keeper) Wanted(ctx context.Context, id message.ChannelID) (bool, error) {
	open, err := k.open.Get(ctx)
	return open[id], err
}

func loadOpenPairings(ctx context.Context, q store.Queryer) (map[message.ChannelID]bool, error) {
	rows, err := on(q).OpenPairings(ctx)
	if err != nil {
		return nil, err
	}
	open := make(map[message.ChannelID]bool, len(rows))
	for _, r := range rows {
		open[r.ChannelID] = true
	}
	return open, nil
}
