package smpp

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func accept(conn net.Conn, status Status) chan error {
	result := make(chan error, 1)
	go func() {
		_, err := AcceptBind(context.Background(), conn, "smsc", func(Bound) Status { return status })
		result <- err
	}()
	return result
}

func TestBindBothSides(t *testing.T) {
	for _, mode := range []Command{0, BindTransmitter, BindReceiver} {
		near, far := tcpPair(t)
		bound := make(chan Bound, 1)
		go func() {
			b, _ := AcceptBind(t.Context(), far, "smsc", func(Bound) Status { return StatusOK })
			bound <- b
		}()
		answer, err := Bind(t.Context(), near, BindConfig{Mode: mode, SystemID: "acme", Password: "secret", SystemType: "VMA"})
		if err != nil || answer.SystemID != "smsc" {
			t.Errorf("%+v, %v", answer, err)
		}
		if b := <-bound; b.SystemID != "acme" || b.Password != "secret" || mode != 0 && b.Mode != mode || b.InterfaceVersion != Version34 {
			t.Errorf("%+v", b)
		}
	}
}

func TestRefusedBindNamesTheStatus(t *testing.T) {
	near, far := tcpPair(t)
	server := accept(far, StatusInvalidPassword)
	_, err := Bind(t.Context(), near, BindConfig{SystemID: "acme"})
	var status Status
	if !errors.As(err, &status) || status != StatusInvalidPassword {
		t.Error(err)
	}
	if err := <-server; !errors.Is(err, StatusInvalidPassword) {
		t.Error(err)
	}
}

func TestBindWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		go ReadPDU(far)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Bind(ctx, near, BindConfig{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestBindAnswersAProbeAndLeavesWhatFollows(t *testing.T) {
	near, far := tcpPair(t)
	go func() {
		_, _ = ReadPDU(far)
		burst := Append(nil, PDU{Header: Header{Command: Outbind, Sequence: 8}, Body: &OutbindRequest{SystemID: "smsc"}})
		burst = Append(burst, PDU{Header: Header{Command: EnquireLink, Sequence: 9}})
		burst = Append(burst, PDU{Header{Command: BindTransceiverResp, Sequence: 1}, &BindResp{SystemID: "smsc"}})
		_, _ = far.Write(append(burst, request(10, "1")...))
	}()
	if _, err := Bind(t.Context(), near, BindConfig{}); err != nil {
		t.Fatal(err)
	}
	expect(t, far, Header{Command: EnquireLinkResp, Sequence: 9})
	if p, err := ReadPDU(near); err != nil || p.Command != DeliverSM || p.Sequence != 10 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestOnlyABindComesFirst(t *testing.T) {
	near, far := tcpPair(t)
	server := accept(far, StatusOK)
	_, _ = near.Write(Append(nil, PDU{Header: Header{Command: SubmitSM, Sequence: 1}, Body: to("1")}))
	expect(t, near, Header{Command: SubmitSMResp, Status: StatusInvalidBindStatus, Sequence: 1})
	_, _ = near.Write(Append(nil, PDU{Header: Header{Command: EnquireLink, Sequence: 2}}))
	expect(t, near, Header{Command: EnquireLinkResp, Sequence: 2})
	_, _ = near.Write(Append(nil, PDU{Header: Header{Command: 0x03, Sequence: 3}}))
	expect(t, near, Header{Command: GenericNack, Status: StatusInvalidBindStatus, Sequence: 3})
	near.Close()
	if err := <-server; err == nil {
		t.Error("bound without a bind")
	}
}

func TestUnexpectedAnswerToABind(t *testing.T) {
	near, far := tcpPair(t)
	go func() {
		_, _ = ReadPDU(far)
		_, _ = far.Write(request(1, "1"))
	}()
	if _, err := Bind(t.Context(), near, BindConfig{}); !errors.Is(err, ErrHandshake) {
		t.Error(err)
	}
}

func TestCase6c05EnquireLinkIsAnsweredUnderFullLoad(t *testing.T) {
	near, far := tcpPair(t)
	left := run(t.Context(), near, Config{Window: 100})
	right := run(t.Context(), far, Config{Handler: echoID})
	stop := make(chan struct{})
	var next func(Response, error)
	next = func(_ Response, err error) {
		select {
		case <-stop:
		default:
			_ = left.TryGo(SubmitSM, benchMessage, next)
		}
	}
	for range 90 {
		_ = left.TryGo(SubmitSM, benchMessage, next)
	}
	for range 20 {
		begun := time.Now()
		if _, err := left.Do(t.Context(), EnquireLink, nil); err != nil || time.Since(begun) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	}
	close(stop)
	left.Close()
	<-left.result
	<-right.result
}

// A window over loopback stalls for 40 ms a round when Nagle's algorithm meets a delayed acknowledgement.
func TestNoStallOfSmallWrites(t *testing.T) {
	near, far := tcpPair(t)
	_ = near.(*net.TCPConn).SetNoDelay(false)
	left := run(t.Context(), near, Config{Window: 10})
	right := run(t.Context(), far, Config{Handler: echoID})
	begun := time.Now()
	for range 200 {
		done := make(chan struct{}, 2)
		for range 2 {
			_ = left.Go(t.Context(), SubmitSM, benchMessage, func(Response, error) { done <- struct{}{} })
			time.Sleep(10 * time.Microsecond) // so that the two leave in two writes
		}
		<-done
		<-done
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("200 rounds took %v", took)
	}
	left.Close()
	<-left.result
	<-right.result
}
