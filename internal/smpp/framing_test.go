package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

func request(sequence uint32, addr string) []byte {
	return Append(nil, PDU{Header: Header{Command: DeliverSM, Sequence: sequence}, Body: to(addr)})
}

// rawPeer is a session that answers, and the bare connection to it.
func rawPeer(t *testing.T) (net.Conn, running) {
	t.Helper()
	near, far := tcpPair(t)
	session := run(t.Context(), far, Config{Handler: echoID})
	t.Cleanup(func() {
		session.Close()
		<-session.result
	})
	return near, session
}

func expect(t *testing.T, conn net.Conn, want Header) PDU {
	t.Helper()
	got, err := ReadPDU(conn)
	if err != nil {
		t.Fatal(err)
	}
	if got.Header != want {
		t.Errorf("%+v, not %+v", got.Header, want)
	}
	return got
}

func TestCase6c07TwoPDUsInOneRead(t *testing.T) {
	conn, _ := rawPeer(t)
	_, _ = conn.Write(append(request(5, "1"), request(6, "2")...))
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 5})
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 6})
}

func TestCase6c07PDUInSingleOctets(t *testing.T) {
	conn, _ := rawPeer(t)
	for _, c := range request(5, "1") {
		_, _ = conn.Write([]byte{c})
	}
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 5})

	in := frames{source: iotest.OneByteReader(bytes.NewReader(append(request(1, "1"), request(2, "2")...)))}
	for want := uint32(1); want <= 2; {
		frame, err := in.pop()
		if err != nil {
			t.Fatal(err)
		}
		if frame == nil {
			if err := in.fill(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if header(frame).Sequence != want {
			t.Error(header(frame))
		}
		want++
	}
}

func TestCase6c07WrongLengthIsNackedAndEndsTheSession(t *testing.T) {
	for _, length := range []uint32{0, 15, MaxPDU + 1, 0xFFFFFFFF} {
		conn, session := rawPeer(t)
		frame := request(5, "1")
		binary.BigEndian.PutUint32(frame, length)
		_, _ = conn.Write(frame)
		expect(t, conn, Header{Command: GenericNack, Status: StatusInvalidCommandLength, Sequence: 5})
		conn.Close()
		frameErr := new(FrameError)
		if err := <-session.result; !errors.As(err, &frameErr) || frameErr.Length != length {
			t.Error(err)
		}
		session.result <- nil
	}
}

func TestLongestPDUIsRead(t *testing.T) {
	conn, _ := rawPeer(t)
	m := to("1")
	m.TLVs = m.TLVs.Add(TagMessagePayload, make([]byte, 60000))
	_, _ = conn.Write(Append(nil, PDU{Header: Header{Command: DeliverSM, Sequence: 9}, Body: m}))
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 9})
}

func TestCase6c07UnknownCommandIsNackedAndTheSessionStays(t *testing.T) {
	conn, _ := rawPeer(t)
	_, _ = conn.Write(Append(nil, PDU{Header: Header{Command: 0x03, Sequence: 5}, Body: Raw("1\x00")})) // query_sm
	expect(t, conn, Header{Command: GenericNack, Status: StatusInvalidCommandID, Sequence: 5})
	outbind := Append(nil, PDU{Header: Header{Command: Outbind, Sequence: 4}, Body: &OutbindRequest{SystemID: "smsc"}})
	_, _ = conn.Write(append(outbind, request(6, "1")...)) // which has no answer
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 6})
}

func TestBrokenBodyIsRefusedAndTheSessionStays(t *testing.T) {
	conn, _ := rawPeer(t)
	_, _ = conn.Write(Append(nil, PDU{Header: Header{Command: DeliverSM, Sequence: 5}, Body: Raw("no NUL")}))
	expect(t, conn, Header{Command: DeliverSMResp, Status: StatusInvalidCommandLength, Sequence: 5})
	_, _ = conn.Write(Append(nil, PDU{Header: Header{Command: BindReceiver, Sequence: 6}, Body: &BindRequest{}}))
	expect(t, conn, Header{Command: BindReceiverResp, Status: StatusAlreadyBound, Sequence: 6})
	_, _ = conn.Write(request(7, "1"))
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 7})
}

func TestPeersUnbindIsAnswered(t *testing.T) {
	conn, session := rawPeer(t)
	unbind := Append(nil, PDU{Header: Header{Command: Unbind, Sequence: 8}})
	_, _ = conn.Write(append(append(request(7, "1"), unbind...), unbind...))
	expect(t, conn, Header{Command: DeliverSMResp, Sequence: 7})
	expect(t, conn, Header{Command: UnbindResp, Sequence: 8})
	conn.Close()
	if err := <-session.result; !errors.Is(err, ErrUnbound) {
		t.Error(err)
	}
	session.result <- nil
}

func TestGenericNackAnswersARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		left := run(t.Context(), a, Config{})
		go func() {
			p, _ := ReadPDU(b)
			_, _ = b.Write(Append(nil, PDU{Header: Header{Command: GenericNack, Status: StatusInvalidCommandID, Sequence: p.Sequence}}))
		}()
		r, err := left.Submit(t.Context(), to("1"))
		if err != nil || !errors.Is(r.Err(), StatusInvalidCommandID) {
			t.Errorf("%+v, %v", r, err)
		}
		left.Close()
		<-left.result
	})
}

func TestGarbageNeverPanics(t *testing.T) {
	for seed := range byte(50) {
		conn, session := rawPeer(t)
		frame := append(request(5, "123"), request(6, "456")...)
		for i := 0; i < len(frame); i += 3 {
			frame[(i*int(seed+1))%len(frame)] ^= seed + byte(i)
		}
		_, _ = conn.Write(frame)
		conn.Close()
		session.result <- <-session.result
	}
}

func TestAPeerThatDoesNotReadCannotFillOurMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		session := run(t.Context(), far, Config{})
		flood := bytes.Repeat(Append(nil, PDU{Header: Header{Command: EnquireLink}}), 4000)
		go func() {
			for {
				if _, err := near.Write(flood); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		session.mu.Lock()
		if size := len(session.out); size > outLimit+gatherLimit {
			t.Errorf("%d octets wait", size)
		}
		session.mu.Unlock()
		session.Close()
		<-session.result
		near.Close()
	})
}
