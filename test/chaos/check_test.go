package main

import (
	"slices"
	"strings"
	"testing"

	"tidings.dev/internal/simulator/smsc"
	"tidings.dev/test/product"
)

const second = 1_000_000

// story is a run in which all went well: a is delivered, b was sent twice around a kill and says so, c was cancelled,
// d was refused, e is undelivered, s has opted out.
func story() World {
	a := Item{Tag: "a", To: "+254710000001", OnUnknown: "resend"}
	b := Item{Tag: "b", To: "+254710000002", OnUnknown: "resend"}
	c := Item{Tag: "c", To: "+254710000003", OnUnknown: "hold"}
	d := Item{Tag: "d", To: "+254710000004", OnUnknown: "resend"}
	e := Item{Tag: "e", To: "+254720009901", OnUnknown: "hold"}
	s := Item{Tag: "s", To: "+254700009911", OnUnknown: "resend"}
	w := World{
		Load: []Entry{
			{At: 0, Op: "start", Backlog: 200},
			{At: 100, Op: "ready"},
			{At: 1 * second, N: 1, Op: "send", Phase: Invoke, Key: "k-a", Items: []Item{a}},
			{At: 1*second + 10, N: 1, Op: "send", Phase: OK, Items: []Item{{Tag: "a", ID: "A"}}},
			{At: 1*second + 20, N: 2, Op: "send", Phase: Invoke, Key: "k-a", Items: []Item{a}},
			{At: 1*second + 30, N: 2, Op: "send", Phase: OK, Items: []Item{{Tag: "a", ID: "A"}}},
			{At: 1*second + 40, N: 3, Op: "batch", Phase: Invoke, Items: []Item{b, c}},
			{At: 1*second + 50, N: 3, Op: "batch", Phase: OK, Items: []Item{{Tag: "b", ID: "B"}, {Tag: "c", ID: "C"}}},
			{At: 1*second + 60, N: 4, Op: "send", Phase: Invoke, Key: "k-a", Items: []Item{d}},
			{At: 1*second + 70, N: 4, Op: "send", Phase: Fail, Code: "idempotency_key_reused"},
			{At: 1*second + 80, N: 5, Op: "send", Phase: Invoke, Items: []Item{e}},
			{At: 1*second + 90, N: 5, Op: "send", Phase: OK, Items: []Item{{Tag: "e", ID: "E"}}},
			{At: 1*second + 100, N: 6, Op: "cancel", Phase: Invoke, ID: "C", Tag: "c"},
			{At: 1*second + 110, N: 6, Op: "cancel", Phase: OK, ID: "C", Tag: "c"},
			{At: 1*second + 120, N: 7, Op: "send", Phase: Invoke, Items: []Item{s}},
			{At: 1*second + 130, N: 7, Op: "send", Phase: OK, Items: []Item{{Tag: "s", ID: "S"}}},
			{At: 1*second + 500_000, N: 8, Op: "read", Phase: Invoke, ID: "A", Tag: "a"},
			{At: 1*second + 500_010, N: 8, Op: "read", Phase: OK, ID: "A", Tag: "a", Status: "sent"},
			{At: 2 * second, Op: "kill", Backlog: 200, Rate: 100},
			{At: 2 * second, Op: "start", Backlog: 200},
			{At: 2*second + 100, Op: "ready"},
			{At: 9 * second, Op: "quiet", Phase: OK},
		},
		SMSC: []smsc.Record{
			submitted(1100, a), receipt(1200, a, "delivered"), acked(1300, a, "delivered"),
			submitted(1990, b), submitted(2500, b), receipt(2600, b, "delivered"), acked(2700, b, "delivered"),
			submitted(2510, e), receipt(2600, e, "undeliverable"), acked(2700, e, "undeliverable"),
			submitted(2520, s), receipt(2600, s, "delivered"), acked(2700, s, "delivered"),
			{Time: 2600, Op: smsc.OpInbound, RemoteID: "i1", From: "254700009911", To: sender, Text: "STOP"},
			{Time: 2700, Op: smsc.OpInboundAck, RemoteID: "i1", From: "254700009911", To: sender, Text: "STOP", Status: "ESME_ROK"},
			answered(2800),
		},
		Final: []product.Message{
			{ID: "A", Text: textOf(a), Status: "delivered"},
			{ID: "B", Text: textOf(b), Status: "delivered", Duplicate: true},
			{ID: "C", Text: textOf(c), Status: "cancelled"},
			{ID: "E", Text: textOf(e), Status: "failed", Reason: "undelivered"},
			{ID: "S", Text: textOf(s), Status: "delivered"},
		},
		Books: &Books{
			Wallets: []Wallet{{Account: 7, Available: 1000 - 4*8, Charged: 4 * 8, Funded: 1000}},
			Messages: map[int64]Row{
				1: {"a", 13, 3, 8, true}, 2: {"b", 13, 3, 8, true}, 3: {"c", 20, 3, 8, true}, 5: {"e", 12, 3, 8, true}, 6: {"s", 13, 3, 8, true},
			},
			Events:    map[int64][]Event{},
			Transfers: []Transfer{{Account: 7, Subject: 99, Step: "fund", Debit: "funds", Credit: "available", Amount: 1000}},
		},
	}
	for id, m := range w.Books.Messages {
		for seq := range int64(3) {
			w.Books.Events[id] = append(w.Books.Events[id], Event{Seq: seq + 1})
		}
		w.Books.Transfers = append(w.Books.Transfers, Transfer{7, id, "hold", "available", "held", 8})
		if m.Tag == "c" {
			w.Books.Transfers = append(w.Books.Transfers, Transfer{7, id, "void", "held", "available", 8})
			continue
		}
		w.Books.Transfers = append(w.Books.Transfers, Transfer{7, id, "post", "held", "charged", 8})
	}
	for n, m := range w.Final {
		for seq := range int64(3) {
			status := []string{"queued", "sent", m.Status}[seq]
			if m.Status == "cancelled" && seq == 1 {
				status = "queued"
			}
			w.Posts = append(w.Posts, Post{
				At: 3*second + int64(n*10) + seq, ID: m.ID + string(rune('0'+seq)), Subject: m.ID, Seq: seq + 1, Previous: seq,
				Status: status, Verified: true, Answer: 200,
			})
		}
	}
	return w
}

func submitted(at int64, i Item) smsc.Record {
	return smsc.Record{Time: at, Op: smsc.OpSubmit, To: digits(i.To), Text: textOf(i), Status: "ESME_ROK"}
}

func answered(at int64) smsc.Record {
	return smsc.Record{Time: at, Op: smsc.OpSubmit, To: "254700009911", Text: product.Answers[0], Status: "ESME_ROK"}
}

func receipt(at int64, i Item, state string) smsc.Record {
	return smsc.Record{Time: at, Op: smsc.OpReceipt, To: digits(i.To), Text: textOf(i), State: state}
}

func acked(at int64, i Item, state string) smsc.Record {
	return smsc.Record{Time: at, Op: smsc.OpReceiptAck, To: digits(i.To), Text: textOf(i), State: state, Status: "ESME_ROK"}
}

func TestAGoodRunPasses(t *testing.T) {
	for _, v := range Check(story()) {
		t.Error(v)
	}
}

func dropRecords(w *World, drop func(smsc.Record) bool) {
	w.SMSC = slices.DeleteFunc(w.SMSC, drop)
}

// Each row breaks one promise in an otherwise good run; the rule named must notice.
func TestEveryBrokenPromiseIsFound(t *testing.T) {
	for _, row := range []struct {
		name, rule string
		harm       func(*World)
	}{
		{"accepted and gone", "C1", func(w *World) { w.Final = w.Final[1:] }},
		{"sent without the network", "C1", func(w *World) {
			dropRecords(w, func(r smsc.Record) bool { return tagOf(r.Text) == "s" && r.Op == smsc.OpSubmit })
		}},
		{"still queued", "C1", func(w *World) { w.Final[0].Status = "queued" }},
		{"failed for no reason", "C1", func(w *World) { w.Final[3].Reason = "" }},
		{"sent by nobody", "C2", func(w *World) {
			w.SMSC = append(w.SMSC, submitted(3000, Item{Tag: "z", To: "+254719999999"}))
		}},
		{"refused and sent", "C2", func(w *World) {
			w.SMSC = append(w.SMSC, submitted(3000, Item{Tag: "d", To: "+254710000004"}))
		}},
		{"cancelled and sent", "C2", func(w *World) {
			w.SMSC = append(w.SMSC, submitted(3000, Item{Tag: "c", To: "+254710000003"}))
		}},
		{"one word answered twice", "C2", func(w *World) { w.SMSC = append(w.SMSC, answered(3000)) }},
		{"other text", "C2", func(w *World) { w.SMSC[0].Text += "!" }},
		{"not marked", "C3", func(w *World) { w.Final[1].Duplicate = false }},
		{"twice for no reason", "C3", func(w *World) { w.Load[18].At = 8 * second }},
		{"three times", "C3", func(w *World) {
			w.SMSC = append(w.SMSC, submitted(2600, Item{Tag: "b", To: "+254710000002"}))
		}},
		{"twice though it asked to hold", "C3", func(w *World) { w.Load[6].Items[0].OnUnknown = "hold" }},
		{"two ids for one key", "C4", func(w *World) { w.Load[5].Items = []Item{{Tag: "a", ID: "X"}} }},
		{"stored twice", "C4", func(w *World) { w.Final = append(w.Final, w.Final[0]) }},
		{"key taken for another body", "C4", func(w *World) {
			w.Load[9] = Entry{At: w.Load[9].At, N: 4, Op: "send", Phase: OK, Items: []Item{{Tag: "d", ID: "D"}}}
		}},
		{"receipt forgotten", "C5", func(w *World) { w.Final[0].Status = "sent" }},
		{"failure forgotten", "C5", func(w *World) { w.Final[3].Status = "sent" }},
		{"delivery made up", "C5", func(w *World) {
			dropRecords(w, func(r smsc.Record) bool { return tagOf(r.Text) == "a" && r.Op != smsc.OpSubmit })
		}},
		{"fell back", "C5", func(w *World) {
			w.Load[17].Status = "delivered"
			w.Final[0].Status = "sent"
		}},
		{"read found nothing", "C5", func(w *World) { w.Load[17].Phase, w.Load[17].HTTP = Fail, 404 }},
		{"money from nowhere", "C6", func(w *World) { w.Books.Wallets[0].Available++ }},
		{"charged twice", "C6", func(w *World) {
			w.Books.Transfers = append(w.Books.Transfers, Transfer{7, 1, "post2", "available", "charged", 8})
		}},
		{"charged though cancelled", "C6", func(w *World) { w.Books.Messages[1] = Row{"a", 20, 3, 8, true} }},
		{"event missing", "C7", func(w *World) { w.Posts = w.Posts[:len(w.Posts)-1] }},
		{"events out of order", "C7", func(w *World) { w.Posts[0], w.Posts[1] = w.Posts[1], w.Posts[0] }},
		{"next before the last was done", "C7", func(w *World) { w.Posts[0].Answer = 500 }},
		{"forged", "C7", func(w *World) { w.Posts[4].Verified = false }},
		{"id changed", "C7", func(w *World) {
			again := w.Posts[0]
			again.ID = "other"
			w.Posts = append(w.Posts, again)
		}},
		{"told again", "C7", func(w *World) {
			again := w.Posts[0]
			again.At += 5
			w.Posts = slices.Insert(w.Posts, 1, again)
		}},
		{"gap in events", "C7", func(w *World) { w.Books.Events[1] = w.Books.Events[1][:2] }},
		{"told of a way back", "C7", func(w *World) { w.Posts[0].Status = "failed" }},
		{"more in doubt than the window", "C3", func(w *World) {
			for range window + 1 {
				w.Books.Doubts = append(w.Books.Doubts, 3*second)
			}
		}},
		{"in doubt without a kill", "C3", func(w *World) { w.Books.Doubts = []int64{second} }},
		{"told something else", "C7", func(w *World) { w.Posts[2].Status = "failed" }},
		{"slow to start", "C8", func(w *World) {
			dropRecords(w, func(r smsc.Record) bool { return r.Time > 2000 && r.Op == smsc.OpSubmit })
		}},
		{"never quiet", "C8", func(w *World) { w.Load = w.Load[:len(w.Load)-1] }},
		{"sent after STOP", "C10", func(w *World) {
			w.SMSC = append(w.SMSC, submitted(4000, Item{Tag: "s", To: "+254700009911"}))
		}},
		{"accepted after STOP", "C10", func(w *World) {
			late := Item{Tag: "t", To: "+254700009911"}
			w.Load = append(w.Load, Entry{At: 5 * second, N: 20, Op: "send", Phase: Invoke, Items: []Item{late}},
				Entry{At: 6 * second, N: 20, Op: "send", Phase: OK, Items: []Item{{Tag: "t", ID: "T"}}})
		}},
		{"damaged", "C11", func(w *World) { w.Books.Integrity = []string{"row missing from index"} }},
		{"leaked", "C12", func(w *World) { w.Leaks = []string{"the API key is in product.log"} }},
	} {
		w := story()
		row.harm(&w)
		violations := Check(w)
		if !slices.ContainsFunc(violations, func(v Violation) bool { return v.Rule == row.rule }) {
			t.Errorf("%s: %s found nothing; all found: %v", row.name, row.rule, violations)
		}
	}
}

func TestOneFaultAccountsForItsWindowOnly(t *testing.T) {
	w := story()
	w.Books = nil
	for n := range window + 1 {
		i := Item{Tag: "m" + string(rune('a'+n)), To: "+2547112345" + string(rune('a'+n)), OnUnknown: "resend"}
		w.Load = append(w.Load, Entry{At: second, N: int64(100 + n), Op: "send", Phase: Invoke, Items: []Item{i}},
			Entry{At: second, N: int64(100 + n), Op: "send", Phase: OK, Items: []Item{{Tag: i.Tag, ID: i.Tag}}})
		w.SMSC = append(w.SMSC, submitted(1995, i), submitted(2100, i))
		w.Final = append(w.Final, product.Message{ID: i.Tag, Text: textOf(i), Status: "sent", Duplicate: true})
	}
	if !slices.ContainsFunc(Check(w), func(v Violation) bool { return v.Rule == "C3" && strings.Contains(v.Text, "the bound is 10") }) {
		t.Errorf("%d repeats around one kill were not noticed", window+2)
	}
}

func TestARunWithoutLoadIsVacuous(t *testing.T) {
	for name, harm := range map[string]func(*World){
		"no kill":    func(w *World) { w.Load = slices.Delete(w.Load, 18, 19) },
		"no backlog": func(w *World) { w.Load[18].Backlog = 99 },
		"slow":       func(w *World) { w.Load[18].Rate = 49 },
		"no posts":   func(w *World) { w.Posts = nil },
	} {
		w := story()
		if why := vacuous(w, 1); why != "" {
			t.Fatalf("the good run: %s", why)
		}
		harm(&w)
		if vacuous(w, 1) == "" {
			t.Errorf("%s: not noticed", name)
		}
	}
}
