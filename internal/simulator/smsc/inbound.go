package smsc

import (
	"fmt"
	"time"

	"tidings.dev/internal/smpp"
)

// Inbound lets a phone send a text, in parts if it is long. It goes to the account that last sent as to, else to any that
// receives; while none is bound it waits.
func (s *SMSC) Inbound(from, to, text string) error {
	source, dest, err := ends(from, to)
	if err != nil {
		return err
	}
	deliveries, err := s.inboundParts(source, dest, text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	a := s.accountOf(dest.Addr)
	if a == nil {
		s.homeless = append(s.homeless, deliveries...)
	}
	s.mu.Unlock()
	if a != nil {
		a.adopt(deliveries, 0)
	}
	return nil
}

// InboundTo is Inbound for a given account.
func (s *SMSC) InboundTo(systemID, from, to, text string) error {
	source, dest, err := ends(from, to)
	if err != nil {
		return err
	}
	return s.account(systemID).inbound(s, source, dest, text, 0)
}

func ends(from, to string) (source, dest smpp.Address, err error) {
	if source, err = smpp.ParseAddress(from); err != nil {
		return source, dest, fmt.Errorf("from: %w", err)
	}
	if dest, err = smpp.ParseAddress(to); err != nil {
		return source, dest, fmt.Errorf("to: %w", err)
	}
	return source, dest, nil
}

// accountOf is who uses an address, else who is bound to receive, else nobody. The caller holds the lock, and keeps it
// until the text has its place: a bind that comes meanwhile would not find it.
func (s *SMSC) accountOf(address string) *account {
	if a := s.senders[address]; a != nil {
		return a
	}
	for _, a := range s.accounts {
		if a.receives() {
			return a
		}
	}
	return nil
}

func (a *account) receives() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.binds {
		if b.mode.Receives() {
			return true
		}
	}
	return false
}

// giveHomeless hands what nobody has claimed to the first bind that receives.
func (s *SMSC) giveHomeless(b *bind) {
	if !b.mode.Receives() {
		return
	}
	s.mu.Lock()
	homeless := s.homeless
	s.homeless = nil
	s.mu.Unlock()
	b.account.adopt(homeless, 0)
}

func (a *account) inbound(s *SMSC, from, to smpp.Address, text string, delay time.Duration) error {
	deliveries, err := s.inboundParts(from, to, text)
	if err != nil {
		return err
	}
	a.adopt(deliveries, delay)
	return nil
}

// adopt records inbound texts as this account's and then owes them.
func (a *account) adopt(deliveries []*delivery, delay time.Duration) {
	for _, d := range deliveries {
		record := d.record
		record.Op, record.SystemID = OpInbound, a.systemID
		d.record.SystemID = a.systemID
		a.smsc.history.add(record, func() { a.owe(d, delay) })
	}
}

func (s *SMSC) inboundParts(from, to smpp.Address, text string) ([]*delivery, error) {
	s.mu.Lock()
	s.ref++
	options := smpp.Options{Ref: s.ref, Alphabet: s.config.Alphabet, Packed: s.config.Packed}
	s.mu.Unlock()
	segments, err := smpp.Split(text, options)
	if err != nil {
		return nil, err
	}
	var parts []*delivery
	for i := range segments.Parts {
		part := &segments.Parts[i]
		m := &smpp.Message{Source: from, Dest: to}
		part.Fill(m)
		parts = append(parts, &delivery{message: m, record: Record{
			Op: OpInboundAck, RemoteID: s.ids.inAnswer(s.ids.next()), From: from.Addr, To: to.Addr, Text: part.Text,
			Ref: part.Concat.Ref, Total: part.Concat.Total, Number: part.Concat.Number,
		}})
	}
	return parts, nil
}
