package smpp

import (
	"errors"
	"fmt"
	"io"
)

// gatherLimit is how much may wait while the reader is at work, before the writer is woken anyway.
const gatherLimit = 32 << 10

// outLimit is how much may wait before the reader stops: a peer that asks and does not read must not fill our memory.
const outLimit = 1 << 20

// append adds a PDU to what the writer takes next. The caller holds the lock.
func (s *Session) append(p PDU) {
	if s.last || s.ended {
		return
	}
	empty := len(s.out) == 0
	s.out = Append(s.out, p)
	if empty && !s.corked || len(s.out) >= gatherLimit {
		s.wakeWriter()
	}
}

func (s *Session) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write puts out all that has gathered, again and again: one call for many PDUs under load.
func (s *Session) write() {
	for {
		batch, last := s.take()
		if batch == nil {
			if last {
				s.hangUp()
				return
			}
			select {
			case <-s.wake:
				continue
			case <-s.done:
				return
			}
		}
		if _, err := s.conn.Write(batch); err != nil {
			s.end(fmt.Errorf("write: %w", err))
			return
		}
	}
}

// take swaps the buffers. From here on the requests in it may have been written.
func (s *Session) take() (batch []byte, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.out) == 0 || s.corked && len(s.out) < gatherLimit {
		return nil, s.last
	}
	batch = s.out
	s.out, s.spare = s.spare[:0], batch
	s.handed += uint64(len(batch))
	s.stats.Writes++
	s.letReaderOn()
	return batch, false
}

// letReaderOn lets a paused reader look again.
func (s *Session) letReaderOn() {
	if !s.paused {
		return
	}
	select {
	case s.room <- struct{}{}:
	default:
	}
}

func (s *Session) hasRoom(isMessage bool) bool {
	return len(s.out) < outLimit && (!isMessage || s.unanswered < s.config.InboundWindow)
}

// read takes in what has arrived, PDU by PDU, and lets the writer go on before it waits for more. Answers and follow-up
// requests of one read so leave in one write.
func (s *Session) read() {
	for {
		s.uncork()
		if err := s.in.fill(); err != nil {
			s.lostConnection(err)
			return
		}
		s.cork()
		for {
			frame, err := s.in.pop()
			if err != nil {
				s.lostFrame(err)
				return
			}
			if frame == nil {
				break
			}
			if !s.receive(frame) {
				return
			}
		}
	}
}

func (s *Session) cork() {
	s.mu.Lock()
	s.corked, s.lastRead = true, s.now()
	s.mu.Unlock()
}

func (s *Session) uncork() {
	s.mu.Lock()
	s.corked = false
	if len(s.out) > 0 {
		s.wakeWriter()
	}
	s.mu.Unlock()
}

func (s *Session) lostConnection(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an end without unbind is never in good order
	}
	s.end(fmt.Errorf("read: %w", err))
}

// lostFrame tells the peer why, and ends: after a wrong length nothing can be read (SMPP 3.4, 4.3).
func (s *Session) lostFrame(err error) {
	sequence := uint32(0)
	if frame, ok := errors.AsType[*FrameError](err); ok {
		sequence = frame.Sequence
	}
	s.endAfterFlush(Header{Command: GenericNack, Status: StatusInvalidCommandLength, Sequence: sequence}, err)
	_, _ = io.Copy(io.Discard, s.conn) // until the peer closes or the linger time is over
	s.end(err)
}

// waitForRoom stops reading while too much is unanswered, and tells whether to go on. Only messages count against the
// inbound window; enquire_link passes.
func (s *Session) waitForRoom(command Command) bool {
	isMessage := command == SubmitSM || command == DeliverSM || command == DataSM
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.hasRoom(isMessage) && !s.ended {
		s.paused, s.corked = true, false
		s.wakeWriter()
		s.mu.Unlock()
		select {
		case <-s.room:
		case <-s.done:
		}
		s.mu.Lock()
	}
	s.paused = false
	return !s.ended
}
