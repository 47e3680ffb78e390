package smpp

import "errors"

// Request is a request of the peer's. It must be answered once, at any time and from any goroutine.
type Request struct {
	PDU
	session  *Session
	answered bool
}

// Message is the body of a submit_sm, deliver_sm or data_sm, and nil for any other command.
func (r *Request) Message() *Message {
	m, _ := r.Body.(*Message)
	return m
}

// Respond answers. The id goes with submit_sm and data_sm; a deliver_sm_resp carries an empty one (SMPP 3.4, 4.6.2).
// A second answer is dropped, as is one after the end of the session: the peer then asks again.
func (r *Request) Respond(status Status, messageID string) {
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.answered {
		return
	}
	r.answered = true
	s.appendResponse(r.Header, status, messageID)
	s.unanswered--
	s.letReaderOn()
	s.checkDrained()
}

// appendResponse leaves out the body of a refusal, as SMPP 3.4, 4.4.2 says.
func (s *Session) appendResponse(request Header, status Status, messageID string) {
	p := PDU{Header: Header{Command: request.Command.Response(), Status: status, Sequence: request.Sequence}}
	switch request.Command {
	case SubmitSM, DeliverSM, DataSM:
		if status == StatusOK {
			s.appendMessageResp(p.Header, messageID)
			return
		}
	}
	s.append(p)
}

// appendMessageResp avoids the allocation of a body, as it answers every message.
func (s *Session) appendMessageResp(h Header, messageID string) {
	s.scratch.MessageID = messageID
	s.append(PDU{Header: h, Body: &s.scratch})
}

// receive acts on one PDU and tells whether to read on.
func (s *Session) receive(frame []byte) bool {
	h := header(frame)
	if h.Command.IsResponse() {
		s.receiveResponse(h, frame[HeaderSize:])
		return true
	}
	if !s.waitForRoom(h.Command) {
		return false
	}
	switch h.Command {
	case EnquireLink:
		s.answerEnquire(h)
	case Unbind:
		s.startLeaving(h.Sequence)
	case SubmitSM, DeliverSM, DataSM:
		s.receiveRequest(frame)
	case Outbind: // has no answer, and asks for a bind that is there (SMPP 3.4, 4.1.7)
	default:
		s.refuseRequest(h)
	}
	return true
}

// startLeaving goes on reading while open requests are drained. A second unbind changes nothing.
func (s *Session) startLeaving(sequence uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return
	}
	s.leaving = true
	s.workers.Go(s.guarded(func() { s.unbound(sequence) }))
}

func (s *Session) receiveResponse(h Header, body []byte) {
	r := Response{Header: h}
	if h.Command == SubmitSMResp || h.Command == DataSMResp || h.Command == DeliverSMResp {
		var m MessageResp
		m.decode(body)
		r.MessageID, r.TLVs = m.MessageID, m.TLVs
	}
	s.answered(r)
}

// answerEnquire does not wait for the rest of what was read: the peer measures.
func (s *Session) answerEnquire(h Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.append(PDU{Header: Header{Command: EnquireLinkResp, Sequence: h.Sequence}})
	s.corked = false
	s.wakeWriter()
}

// refuseRequest answers a command that makes no sense here: a second bind, or one that is not known.
func (s *Session) refuseRequest(h Header) {
	answer := Header{Command: GenericNack, Status: StatusInvalidCommandID, Sequence: h.Sequence}
	if h.Command.IsBind() {
		answer.Command, answer.Status = h.Command.Response(), StatusAlreadyBound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.append(PDU{Header: answer})
}

func (s *Session) receiveRequest(frame []byte) {
	p, err := Decode(frame)
	s.mu.Lock()
	s.stats.Received++
	if refuse := s.refuseMessage(err); refuse != StatusOK {
		s.appendResponse(header(frame), refuse, "")
		s.mu.Unlock()
		return
	}
	s.unanswered++
	s.mu.Unlock()
	s.config.Handler(&Request{PDU: p, session: s})
}

// refuseMessage says why a message is not given to the handler. While draining the peer is told to come again later.
func (s *Session) refuseMessage(err error) Status {
	var body *BodyError
	switch {
	case errors.As(err, &body):
		return StatusInvalidCommandLength
	case err != nil:
		return StatusSystemError
	case s.config.Handler == nil || s.draining:
		return StatusReceiverTemporary
	}
	return StatusOK
}
