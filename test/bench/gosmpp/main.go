// Command gosmpp submits to an SMSC as fast as a window allows, with our own codec or with the library gosmpp, and prints
// messages a second. It is a module of its own so that the product never depends on what it is compared with.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"tidings.dev/internal/smpp"
)

const text = "Your code is 482913. It is valid for ten minutes."

func main() {
	client := flag.String("client", "own", "own or gosmpp")
	address := flag.String("address", "", "of the SMSC")
	window := flag.Int("window", 10, "submits without an answer")
	last := flag.Duration("for", time.Second, "how long")
	flag.Parse()
	measure := own
	if *client == "gosmpp" {
		measure = library
	}
	rate, err := measure(*address, *window, *last)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%.0f\n", rate)
}

// own sends the next message from the end of the last, as the driver does.
func own(address string, window int, last time.Duration) (float64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	if _, err := smpp.Bind(ctx, conn, smpp.BindConfig{SystemID: "bench"}); err != nil {
		return 0, err
	}
	session := smpp.NewSession(conn, smpp.Config{Window: window})
	over := make(chan error, 1)
	go func() { over <- session.Run(ctx) }()
	var answered atomic.Int64
	started := time.Now()
	var next func(smpp.Response, error)
	next = func(_ smpp.Response, err error) {
		if err != nil || time.Since(started) > last {
			return
		}
		answered.Add(1)
		_ = session.TryGo(smpp.SubmitSM, message(), next) // an error ends the run early and shows as a low rate
	}
	for range window {
		if err := session.Go(ctx, smpp.SubmitSM, message(), next); err != nil {
			return 0, err
		}
	}
	time.Sleep(last)
	rate := float64(answered.Load()) / time.Since(started).Seconds()
	cancel()
	<-over
	return rate, nil
}

func message() *smpp.Message {
	return &smpp.Message{
		Source:             smpp.Address{TON: smpp.TONAlphanumeric, Addr: "ACME"},
		Dest:               smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "491701234567"},
		RegisteredDelivery: smpp.RegisteredFinal, ShortMessage: []byte(text),
	}
}

// library counts the window itself, since the library's own windowed mode takes quick answers for unexpected ones and hangs.
func library(address string, window int, last time.Duration) (float64, error) {
	slots := make(chan struct{}, window)
	var answered atomic.Int64
	settings := gosmpp.Settings{
		ReadTimeout: 10 * time.Second,
		OnPDU: func(p pdu.PDU, _ bool) {
			if _, ok := p.(*pdu.SubmitSMResp); ok {
				answered.Add(1)
				<-slots
			}
		},
	}
	session, err := gosmpp.NewSession(gosmpp.TRXConnector(gosmpp.NonTLSDialer, gosmpp.Auth{SMSC: address, SystemID: "bench"}), settings, -1)
	if err != nil {
		return 0, err
	}
	source, dest := pdu.NewAddress(), pdu.NewAddress()
	source.SetTon(5)
	dest.SetTon(1)
	dest.SetNpi(1)
	prepared := pdu.NewSubmitSM().(*pdu.SubmitSM).Message
	if err := firstOf(source.SetAddress("ACME"), dest.SetAddress("491701234567"), prepared.SetMessageWithEncoding(text, data.GSM7BIT)); err != nil {
		return 0, err
	}
	started := time.Now()
	for time.Since(started) < last {
		slots <- struct{}{}
		submit := pdu.NewSubmitSM().(*pdu.SubmitSM)
		submit.SourceAddr, submit.DestAddr, submit.Message, submit.RegisteredDelivery = source, dest, prepared, 1
		if err := session.Transceiver().Submit(submit); err != nil {
			return 0, err
		}
	}
	rate := float64(answered.Load()) / time.Since(started).Seconds()
	_ = session.Close() // it always finds its connection closed already
	return rate, nil
}

func firstOf(problems ...error) error {
	for _, err := range problems {
		if err != nil {
			return err
		}
	}
	return nil
}
