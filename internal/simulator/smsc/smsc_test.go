package smsc

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"tidings.dev/internal/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

func start(t *testing.T, config Config) *SMSC {
	t.Helper()
	if config.Keep == 0 {
		config.Keep = -1
	}
	if config.ReceiptDelay == 0 {
		config.ReceiptDelay = 5 * time.Millisecond
	}
	if config.RetryDelay == 0 {
		config.RetryDelay = 20 * time.Millisecond
	}
	s := New(config)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// esme is a bound client that hands what it gets to the test.
type esme struct {
	*smpp.Session
	got  chan *smpp.Request
	over chan error
}

func connect(t *testing.T, s *SMSC, b smpp.BindConfig) (*esme, error) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smpp.Bind(t.Context(), conn, b); err != nil {
		conn.Close()
		return nil, err
	}
	e := &esme{got: make(chan *smpp.Request, 100), over: make(chan error, 1)}
	e.Session = smpp.NewSession(conn, smpp.Config{Handler: func(r *smpp.Request) { e.got <- r }})
	go func() { e.over <- e.Run(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = e.Unbind(ctx) // in good order, so that what was acknowledged does not come again
		<-e.over
	})
	return e, nil
}

func mustConnect(t *testing.T, s *SMSC) *esme {
	t.Helper()
	e, err := connect(t, s, smpp.BindConfig{SystemID: "acme", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// submit sends a text in as many parts as it takes, with receipts asked for.
func (e *esme) submit(t *testing.T, to, text string) (ids []string, err error) {
	t.Helper()
	segments, err := smpp.Split(text, smpp.Options{Ref: 7})
	if err != nil {
		t.Fatal(err)
	}
	for i := range segments.Parts {
		m := &smpp.Message{Source: smpp.Address{TON: 5, Addr: "ACME"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: to}, RegisteredDelivery: smpp.RegisteredFinal}
		segments.Parts[i].Fill(m)
		r, err := e.Submit(t.Context(), m)
		if err := errors.Join(err, r.Err()); err != nil {
			return ids, err
		}
		ids = append(ids, r.MessageID)
	}
	return ids, nil
}

// next waits for a deliver_sm and gives it the status as its answer.
func (e *esme) next(t *testing.T, status smpp.Status) *smpp.Message {
	t.Helper()
	select {
	case r := <-e.got:
		r.Respond(status, "")
		return r.Message()
	case <-time.After(patience):
		t.Fatal("nothing was delivered")
		return nil
	}
}

func (e *esme) receipt(t *testing.T) smpp.Receipt {
	t.Helper()
	r, ok := smpp.ParseReceipt(e.next(t, smpp.StatusOK), smpp.ReceiptOptions{})
	if !ok {
		t.Fatal("no receipt")
	}
	return r
}

func (e *esme) nothing(t *testing.T) {
	t.Helper()
	select {
	case r := <-e.got:
		t.Errorf("%q was delivered", r.Message().ShortMessage)
	case <-time.After(50 * time.Millisecond):
	}
}

func settled(t *testing.T, s *SMSC) {
	t.Helper()
	for end := time.Now().Add(patience); s.Pending() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d still owed", s.Pending())
		}
	}
}

func ops(s *SMSC, op Op) (found []Record) {
	for _, r := range s.History() {
		if r.Op == op {
			found = append(found, r)
		}
	}
	return found
}

func TestSubmitIsAnsweredAndReceipted(t *testing.T) {
	s := start(t, Config{})
	e := mustConnect(t, s)
	ids, err := e.submit(t, "491701234567", "Hello")
	if err != nil {
		t.Fatal(err)
	}
	if r := e.receipt(t); r.ID != ids[0] || r.State != smpp.StateDelivered || r.Text != "Hello" || r.Mismatch {
		t.Errorf("%+v", r)
	}
	settled(t, s)
	submits := ops(s, OpSubmit)
	if len(submits) != 1 || submits[0].RemoteID != ids[0] || submits[0].Text != "Hello" || submits[0].Status != "ESME_ROK" || submits[0].SystemID != "acme" {
		t.Errorf("%+v", submits)
	}
	if acks := ops(s, OpReceiptAck); len(acks) != 1 || acks[0].RemoteID != ids[0] || acks[0].State != "delivered" {
		t.Errorf("%+v", acks)
	}
}

func TestEveryPartIsReceipted(t *testing.T) {
	s := start(t, Config{})
	e := mustConnect(t, s)
	ids, err := e.submit(t, "491701234567", strings.Repeat("0123456789", 40))
	if err != nil || len(ids) != 3 {
		t.Fatal(ids, err)
	}
	for range ids {
		r := e.receipt(t)
		at := slices.Index(ids, r.ID)
		if at < 0 {
			t.Fatalf("%q is none of %q", r.ID, ids)
		}
		ids[at] = ""
	}
	for i, r := range ops(s, OpSubmit) {
		if r.Total != 3 || int(r.Number) != i+1 || r.Ref != 7 {
			t.Errorf("%+v", r)
		}
	}
}

func TestReceiptForms(t *testing.T) {
	rules := map[IDForm]smpp.IDRule{
		IDDecimal: smpp.IDSame, IDHex: smpp.IDSame, IDZeroLead: smpp.IDSame, IDHexDec: smpp.IDHexDec, IDDecHex: smpp.IDDecHex,
	}
	for form, rule := range rules {
		for _, place := range []ReceiptForm{ReceiptText, ReceiptTLV, ReceiptBoth} {
			s := start(t, Config{IDs: form, Receipts: place})
			e := mustConnect(t, s)
			ids, err := e.submit(t, "491701234567", "Hello")
			if err != nil {
				t.Fatal(err)
			}
			if r := e.receipt(t); rule.Receipt(r.ID) != rule.Answer(ids[0]) || r.State != smpp.StateDelivered || r.Mismatch {
				t.Errorf("%d, %d: %q %+v", form, place, ids[0], r)
			}
		}
	}
}

func TestEndings(t *testing.T) {
	s := start(t, Config{})
	t.Run("9901 undelivered", func(t *testing.T) {
		e := mustConnect(t, s)
		_, _ = e.submit(t, "491709901", "x")
		if r := e.receipt(t); r.State != smpp.StateUndeliverable || r.ErrorCode != "001" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("9902 rejected", func(t *testing.T) {
		e := mustConnect(t, s)
		if _, err := e.submit(t, "491709902", "x"); !errors.Is(err, smpp.StatusInvalidDestination) {
			t.Error(err)
		}
		e.nothing(t)
	})
	t.Run("9903 throttled twice for each text", func(t *testing.T) {
		e := mustConnect(t, s)
		for _, text := range []string{"x", "y"} {
			for range 2 {
				if _, err := e.submit(t, "491709903", text); !errors.Is(err, smpp.StatusThrottled) {
					t.Error(err)
				}
			}
			if _, err := e.submit(t, "491709903", text); err != nil {
				t.Error(err)
			}
			e.receipt(t)
		}
	})
	t.Run("9904 no receipt", func(t *testing.T) {
		e := mustConnect(t, s)
		if _, err := e.submit(t, "491709904", "x"); err != nil {
			t.Error(err)
		}
		e.nothing(t)
	})
	t.Run("9905 receipt first", func(t *testing.T) {
		e := mustConnect(t, s)
		receipt := make(chan time.Time, 1)
		go func() { e.receipt(t); receipt <- time.Now() }()
		_, err := e.submit(t, "491709905", "x")
		if answered := time.Now(); err != nil || answered.Before(<-receipt) {
			t.Error("the answer came first", err)
		}
	})
	t.Run("9907 receipt twice", func(t *testing.T) {
		e := mustConnect(t, s)
		_, _ = e.submit(t, "491709907", "x")
		if a, b := e.receipt(t), e.receipt(t); a.ID != b.ID {
			t.Error(a.ID, b.ID)
		}
		e.nothing(t)
	})
	t.Run("9908 dropped once", func(t *testing.T) {
		e := mustConnect(t, s)
		if _, err := e.submit(t, "491709908", "x"); !errors.Is(err, smpp.ErrUnsure) {
			t.Error(err)
		}
		e = mustConnect(t, s)
		if _, err := e.submit(t, "491709908", "x"); err != nil {
			t.Error(err)
		}
		e.receipt(t)
	})
	t.Run("9910 and 9911 reply", func(t *testing.T) {
		e := mustConnect(t, s)
		for to, want := range map[string]string{"491709910": "Reply to: Your code is 482913.", "491709911": "STOP"} {
			_, _ = e.submit(t, to, "Your code is 482913. Thanks")
			var texts []string
			for range 2 {
				if m := e.next(t, smpp.StatusOK); m.ESMClass == 0 {
					texts = append(texts, smpp.ParseText(m, smpp.Options{}).Text+" from "+m.Source.Addr+" to "+m.Dest.Addr)
				}
			}
			if len(texts) != 1 || texts[0] != want+" from "+to+" to ACME" {
				t.Errorf("%q", texts)
			}
		}
	})
	settled(t, s)
}

func TestSlowEndings(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	e := mustConnect(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	message := func(to string) *smpp.Message { return &smpp.Message{Dest: smpp.Address{Addr: to}} }
	if _, err := e.Submit(ctx, message("9912")); !errors.Is(err, smpp.ErrUnsure) {
		t.Error(err)
	}
	begun := time.Now()
	if r, err := e.Submit(t.Context(), message("9909")); err != nil || r.Err() != nil || time.Since(begun) < 2*time.Second {
		t.Errorf("%+v %v after %v", r, err, time.Since(begun))
	}
	if f := endings["9906"]; f.receiptDelay != 10*time.Second {
		t.Error(f)
	}
	if r := ops(s, OpSubmit)[0]; !r.Possible || r.RemoteID == "" {
		t.Errorf("%+v", r)
	}
}

func TestReceiptsSurviveRefusalsAndReconnects(t *testing.T) {
	s := start(t, Config{})
	e := mustConnect(t, s)
	ids, err := e.submit(t, "491701234567", "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, refusal := range []smpp.Status{smpp.StatusReceiverTemporary, smpp.StatusSystemError, smpp.StatusReceiverPermanent} {
		e.next(t, refusal)
	}
	<-e.got // it is not acknowledged: the ESME is killed
	e.Close()
	if s.Pending() != 1 {
		t.Errorf("%d owed", s.Pending())
	}
	e = mustConnect(t, s)
	if r := e.receipt(t); r.ID != ids[0] {
		t.Errorf("%+v", r)
	}
	settled(t, s)
	e.nothing(t)
}

func TestInboundWaitsForABind(t *testing.T) {
	s := start(t, Config{})
	long := strings.Repeat("Grüße 😀 ", 30)
	if err := s.Inbound("+491701234567", "12345", long); err != nil {
		t.Fatal(err)
	}
	sender, err := connect(t, s, smpp.BindConfig{Mode: smpp.BindTransmitter, SystemID: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	sender.nothing(t)
	e, err := connect(t, s, smpp.BindConfig{Mode: smpp.BindReceiver, SystemID: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	e.next(t, smpp.StatusReceiverTemporary) // the first part comes again
	var parts []smpp.Part
	for i := 0; i == 0 || i < int(parts[0].Concat.Total); i++ {
		m := e.next(t, smpp.StatusOK)
		if m.Source.Addr != "491701234567" || m.Dest.Addr != "12345" {
			t.Errorf("%+v", m)
		}
		parts = append(parts, smpp.ParseText(m, smpp.Options{}))
	}
	if got := smpp.Join(parts); got != long {
		t.Errorf("%q", got)
	}
	settled(t, s)
	if len(ops(s, OpInboundAck)) != len(parts) || ops(s, OpInbound)[0].SystemID != "acme" {
		t.Errorf("%+v", s.History())
	}
}

func TestInboundGoesToWhoeverUsesTheNumber(t *testing.T) {
	s := start(t, Config{})
	other, err := connect(t, s, smpp.BindConfig{SystemID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	e := mustConnect(t, s)
	if _, err := e.submit(t, "491709904", "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Inbound("+491701234567", "ACME", "hi"); err != nil {
		t.Fatal(err)
	}
	e.next(t, smpp.StatusOK)
	if err := s.InboundTo("other", "+491701234567", "ACME", "hi"); err != nil {
		t.Fatal(err)
	}
	other.next(t, smpp.StatusOK)
	if err := s.Inbound("", "ACME", "hi"); !errors.Is(err, smpp.ErrAddress) {
		t.Error(err)
	}
}

func TestBindsAreChecked(t *testing.T) {
	s := start(t, Config{Accounts: map[string]string{"acme": "secret"}, MaxBinds: 1})
	for want, b := range map[smpp.Status]smpp.BindConfig{
		smpp.StatusInvalidSystemID: {SystemID: "nobody"},
		smpp.StatusInvalidPassword: {SystemID: "acme", Password: "wrong"},
	} {
		if _, err := connect(t, s, b); !errors.Is(err, want) {
			t.Error(err)
		}
	}
	e := mustConnect(t, s)
	if _, err := connect(t, s, smpp.BindConfig{SystemID: "acme", Password: "secret"}); !errors.Is(err, smpp.StatusAlreadyBound) {
		t.Error(err)
	}
	if err := e.Unbind(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRateIsThrottled(t *testing.T) {
	s := start(t, Config{Rate: 5})
	e := mustConnect(t, s)
	throttled := 0
	for range 15 {
		if _, err := e.submit(t, "491709904", "x"); errors.Is(err, smpp.StatusThrottled) {
			throttled++
		}
	}
	if throttled < 5 { // 15 submits touch two seconds at most
		t.Errorf("%d of 15 throttled", throttled)
	}
}

func TestAnswerIsInTheFileFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	var seen []string
	for range 2 { // a restart adds to the file and repeats no id
		s := New(Config{History: path, ReceiptDelay: -1})
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		e := mustConnect(t, s)
		for range 20 {
			ids, err := e.submit(t, "491709904", "<ä>\n")
			if err != nil {
				t.Fatal(err)
			}
			written, _ := os.ReadFile(path)
			if !bytes.Contains(written, []byte(`"remote_id":"`+ids[0]+`"`)) || slices.Contains(seen, ids[0]) {
				t.Fatalf("%s is not in the file, or is twice", ids[0])
			}
			seen = append(seen, ids...)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	written, _ := os.ReadFile(path)
	records, err := ReadHistory(bytes.NewReader(append(written, `{"op":"sub`...)))
	if err != nil || len(records) < 44 || records[1].Op != OpSubmit || records[1].Text != "<ä>\n" {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestHistoryInMemoryIsBounded(t *testing.T) {
	s := start(t, Config{Keep: 10})
	e := mustConnect(t, s)
	for range 50 {
		_, _ = e.submit(t, "491709904", "x")
	}
	var out bytes.Buffer
	if err := s.WriteHistory(&out); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 10 || len(s.History()) != 10 {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestChaosRepeatsItself(t *testing.T) {
	chaos := Chaos{Seed: 7, Drop: 0.1, Silent: 0.1, Throttle: 0.1, Fail: 0.1, Early: 0.1, Duplicate: 0.1, Late: 0.1, MaxLate: time.Second}
	roll := func() (kinds [8]int) {
		d := newDice(chaos)
		for range 1000 {
			f := d.roll()
			switch {
			case f.drop:
				kinds[0]++
			case f.silent:
				kinds[1]++
			case f.status != 0:
				kinds[2]++
			case f.state != smpp.StateDelivered:
				kinds[3]++
			case f.receiptFirst:
				kinds[4]++
			case f.repeat > 0:
				kinds[5]++
			case f.receiptDelay > 0:
				kinds[6]++
			default:
				kinds[7]++
			}
		}
		return kinds
	}
	first := roll()
	if first != roll() || slices.Min(first[:]) < 50 {
		t.Error(first)
	}
}

func TestRegisteredDelivery(t *testing.T) {
	for registered, want := range map[byte][2]bool{0: {}, 1: {true, true}, 2: {false, true}, 3: {true, false}, 0x11: {true, true}, 0x10: {}} {
		if got := [2]bool{wanted(registered, smpp.StateDelivered), wanted(registered, smpp.StateExpired)}; got != want {
			t.Errorf("%x: %v", registered, got)
		}
	}
}

func TestACutKeepsTheOrderOfInbound(t *testing.T) {
	s := start(t, Config{})
	e := mustConnect(t, s)
	const texts = 20
	for i := range texts {
		if err := s.Inbound("+491701234567", "12345", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	for range texts {
		<-e.got
	}
	e.Close()
	e = mustConnect(t, s)
	for i := range texts {
		if got := string(e.next(t, smpp.StatusOK).ShortMessage); got != string(rune('a'+i)) {
			t.Fatalf("%q came as number %d", got, i)
		}
	}
	settled(t, s)
}
