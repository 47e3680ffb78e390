package smpp

import (
	"encoding/binary"
	"io"
)

const firstBuffer = 32 << 10

// ReadPDU reads exactly one PDU and not an octet more, so that what follows can be read by a session.
func ReadPDU(r io.Reader) (PDU, error) {
	frame := make([]byte, HeaderSize, 256)
	if _, err := io.ReadFull(r, frame[:4]); err != nil {
		return PDU{}, err
	}
	length := binary.BigEndian.Uint32(frame)
	if length < HeaderSize || length > MaxPDU {
		return PDU{}, &FrameError{Length: length}
	}
	frame = append(frame[:4], make([]byte, length-4)...)
	if _, err := io.ReadFull(r, frame[4:]); err != nil {
		return PDU{}, err
	}
	return Decode(frame)
}

// frames cuts a stream into PDUs in one buffer, so that a read takes in as many as have arrived.
type frames struct {
	source     io.Reader
	buf        []byte
	start, end int
}

// pop is the next whole PDU in the buffer, valid until the next fill, or nil when more must be read.
func (f *frames) pop() ([]byte, error) {
	waiting := f.buf[f.start:f.end]
	if len(waiting) < 4 {
		return nil, nil
	}
	length := binary.BigEndian.Uint32(waiting)
	if length < HeaderSize || length > MaxPDU {
		return nil, frameError(waiting)
	}
	if uint32(len(waiting)) < length {
		return nil, nil
	}
	f.start += int(length)
	return waiting[:length:length], nil
}

// fill reads once, after making room for at least the PDU that is on its way.
func (f *frames) fill() error {
	f.makeRoom()
	n, err := f.source.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	return err
}

func (f *frames) makeRoom() {
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	need := firstBuffer
	if f.end >= 4 {
		need = max(need, int(binary.BigEndian.Uint32(f.buf)))
	}
	if len(f.buf) < need {
		f.buf = append(make([]byte, 0, need), f.buf[:f.end]...)[:need]
	}
}
