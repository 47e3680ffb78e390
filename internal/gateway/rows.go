package gateway

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"tidings.dev/internal/message"
)

// rowOf is the row of a message.
func rowOf(m *message.Message) addMessageParams {
	return addMessageParams{
		ID: m.ID, AccountID: m.Account, Direction: int16(m.Direction), Kind: string(m.Kind), ChannelID: m.Channel,
		Recipient: m.To.String(), Sender: m.From.String(), Content: encode(m.Content), Status: int16(m.Status), Seq: int64(m.Seq),
		Attempt: int64(m.Attempt), Total: int64(m.Total), Encoding: m.Encoding, Price: m.Price, Currency: m.Currency,
		Priority: int16(m.Priority), OnUnknown: string(m.OnUnknown), Reference: m.Reference, Metadata: string(m.Metadata),
		Test: flag(m.Test), Reason: m.Reason, ScheduledAt: milli(m.Scheduled), ValidUntil: milli(m.ValidUntil), UpdatedAt: milli(m.Updated),
		Answers: int64(m.Answers), Joint: int64(m.Joint), ContactID: m.Contact, Chat: m.Chat.String(), WrittenAt: milli(m.Written),
	}
}

// asRecord is the row as it reads right after it was added.
func asRecord(p addMessageParams) messageRecord {
	return messageRecord{
		ID: p.ID, AccountID: p.AccountID, Direction: p.Direction, Kind: p.Kind, ChannelID: p.ChannelID, Recipient: p.Recipient,
		Sender: p.Sender, Content: p.Content, Status: p.Status, Seq: p.Seq, Attempt: p.Attempt, Total: p.Total, Encoding: p.Encoding,
		Price: p.Price, Currency: p.Currency, Priority: p.Priority, OnUnknown: p.OnUnknown, Reference: p.Reference,
		Metadata: p.Metadata, Test: p.Test, Reason: p.Reason, ScheduledAt: p.ScheduledAt, ValidUntil: p.ValidUntil, UpdatedAt: p.UpdatedAt,
		Answers: p.Answers, Joint: p.Joint, ContactID: p.ContactID, Chat: p.Chat, WrittenAt: p.WrittenAt,
	}
}

// messageOf is the message of a row, without its parts.
func messageOf(r messageRecord) message.Message {
	m := message.Message{
		ID: r.ID, Account: r.AccountID, Direction: message.Direction(r.Direction), Kind: message.Kind(r.Kind), Channel: r.ChannelID,
		To: message.ParseAddress(r.Recipient), From: message.ParseAddress(r.Sender), Status: message.Status(r.Status), Seq: int(r.Seq),
		Attempt: int(r.Attempt), Total: int(r.Total), Encoding: r.Encoding, Price: r.Price, Currency: r.Currency,
		Priority: message.Priority(r.Priority), OnUnknown: message.OnUnknown(r.OnUnknown), Reference: r.Reference,
		Test: r.Test != 0, Duplicate: r.Duplicate != 0, Reason: r.Reason, Scheduled: moment(r.ScheduledAt),
		ValidUntil: moment(r.ValidUntil), Updated: moment(r.UpdatedAt), Answers: message.ID(r.Answers), Joint: uint16(r.Joint), Contact: r.ContactID,
		Chat: message.ParseAddress(r.Chat), Written: moment(r.WrittenAt),
	}
	_ = json.Unmarshal([]byte(r.Content), &m.Content) // rowOf wrote it; empty once its retention is over
	if r.Metadata != "" {
		m.Metadata = json.RawMessage(r.Metadata)
	}
	return m
}

func partOf(r partRecord) message.Part {
	return message.Part{
		Attempt: int(r.Attempt), Number: int(r.Number), Channel: r.ChannelID, RemoteID: r.RemoteID,
		Status: message.Status(r.Status), Code: r.Code, SentAt: moment(r.SentAt), DoneAt: moment(r.DoneAt),
	}
}

func flag(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// recentSize is how many accepted messages are kept in memory for their first claim.
const recentSize = 8192

// recent remembers messages from accept to first claim, which saves reading most of them. It holds what cannot change
// while a message waits for its first claim; whoever changes one earlier takes it out.
type recent struct {
	mu   sync.Mutex
	rows map[message.ID]messageRecord
	ring [recentSize]message.ID
	at   int
}

func newRecent() *recent { return &recent{rows: map[message.ID]messageRecord{}} }

func (r *recent) add(rows []addMessageParams) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range rows {
		delete(r.rows, r.ring[r.at])
		r.ring[r.at], r.at = p.ID, (r.at+1)%recentSize
		r.rows[p.ID] = asRecord(p)
	}
}

// take returns the message and forgets it.
func (r *recent) take(id message.ID) (row messageRecord, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok = r.rows[id]
	delete(r.rows, id)
	return row, ok
}

// encode is the JSON of something of our own. That it fails is a mistake in this program.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(text)
}
