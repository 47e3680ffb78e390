package smsc

import (
	"time"

	"tidings.dev/internal/smpp"
)

// submit is a message that an ESME hands over.
type submit struct {
	bind    *bind
	request *smpp.Request
	message *smpp.Message
	part    smpp.Part
	at      time.Time
	id      uint64
}

func (b *bind) handle(r *smpp.Request) {
	switch {
	case r.Command != smpp.SubmitSM && r.Command != smpp.DataSM:
		r.Respond(smpp.StatusInvalidCommandID, "")
	case !b.mode.Transmits():
		r.Respond(smpp.StatusInvalidBindStatus, "")
	default:
		b.handleSubmit(r)
	}
}

func (b *bind) handleSubmit(r *smpp.Request) {
	smsc, m := b.account.smsc, r.Message()
	s := submit{bind: b, request: r, message: m, at: time.Now()}
	s.part = smpp.ParseText(m, smpp.Options{Alphabet: smsc.config.Alphabet, Packed: smsc.config.Packed})
	f := smsc.fateOf(m.Dest.Addr, s.part)
	if b.account.overRate(smsc.config.Rate) {
		f = fate{status: smpp.StatusThrottled}
	}
	if f.drop {
		smsc.history.add(s.record(OpDrop, ""), b.session.Close)
		return
	}
	if f.status == smpp.StatusOK {
		s.id = smsc.ids.next()
		smsc.remember(m.Source.Addr, b.account)
	}
	s.end(f)
}

// end records the submit first and lets the ESME hear of it after.
func (s *submit) end(f fate) {
	smsc, account := s.bind.account.smsc, s.bind.account
	record := s.record(OpSubmit, f.status.String())
	record.Possible = f.silent
	smsc.history.add(record, func() {
		if f.receiptFirst {
			s.oweReceipts(f, 0)
			time.AfterFunc(smsc.config.AnswerDelay+receiptLead, func() { s.answer(f) })
			return
		}
		after(smsc.config.AnswerDelay+f.answerDelay, func() {
			s.answer(f)
			s.oweReceipts(f, smsc.receiptDelay()+f.receiptDelay)
		})
	})
	if f.reply != nil && f.status == smpp.StatusOK && s.part.Concat.Number <= 1 {
		if err := account.inbound(smsc, s.message.Dest, s.message.Source, f.reply(s.part.Text), smsc.receiptDelay()); err != nil {
			smsc.config.Log.Error("cannot reply", "error", err)
		}
	}
}

// receiptLead is by how much a receipt comes before its answer when the ending asks for it.
const receiptLead = 50 * time.Millisecond

func after(d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	time.AfterFunc(d, do)
}

func (s *submit) answer(f fate) {
	if f.garbled {
		_, _ = s.bind.conn.Write([]byte{0, 0, 0, 5, 'b', 'l', 'u', 'r', 'p'}) // the connection ends of it
	}
	if f.silent {
		return
	}
	id := ""
	if f.status == smpp.StatusOK {
		id = s.bind.account.smsc.ids.inAnswer(s.id)
	}
	s.request.Respond(f.status, id)
}

// record is short when nobody keeps it, for benches.
func (s *submit) record(op Op, status string) Record {
	if s.bind.account.smsc.history.off() {
		return Record{Op: op}
	}
	r := Record{
		Op: op, SystemID: s.bind.account.systemID, From: s.message.Source.Addr, To: s.message.Dest.Addr, Text: s.part.Text, Status: status,
		Ref: s.part.Concat.Ref, Total: s.part.Concat.Total, Number: s.part.Concat.Number,
	}
	if s.id != 0 {
		r.RemoteID = s.bind.account.smsc.ids.inAnswer(s.id)
	}
	return r
}

// oweReceipts promises the receipt that registered_delivery asked for.
func (s *submit) oweReceipts(f fate, delay time.Duration) {
	if f.status != smpp.StatusOK || f.noReceipt || !wanted(s.message.RegisteredDelivery, f.state) {
		return
	}
	account, smsc := s.bind.account, s.bind.account.smsc
	record := s.record(OpReceipt, "")
	record.State = f.state.String()
	d := &delivery{message: s.receipt(f.state, delay), record: record, repeat: f.repeat}
	d.record.Op = OpReceiptAck
	smsc.history.add(record, func() { account.owe(d, delay) })
}

// wanted reads registered_delivery (SMPP 3.4, 5.2.17; success only is of 5.0).
func wanted(registered byte, state smpp.State) bool {
	switch registered & 0x03 {
	case smpp.RegisteredFinal:
		return true
	case smpp.RegisteredFailure:
		return state != smpp.StateDelivered
	case smpp.RegisteredSuccess:
		return state == smpp.StateDelivered
	}
	return false
}

func (s *SMSC) receiptDelay() time.Duration { return max(0, s.config.ReceiptDelay) }

// remember notes who sends as an address, for replies to it.
func (s *SMSC) remember(address string, a *account) {
	s.mu.Lock()
	if s.senders[address] != a {
		s.senders[address] = a
	}
	s.mu.Unlock()
}
