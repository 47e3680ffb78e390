package message_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"tidings.dev/internal/message"
)

var news = []message.Status{message.Unknown, message.Sent, message.Failed, message.Delivered, message.Read}

// apply lets one report reach one part, as the gateway does.
func apply(parts []message.Part, i int, s message.Status) {
	parts[i].Status = parts[i].Status.Rise(s)
}

func TestAnyOrderOfReceiptsEndsInTheSameStatus(t *testing.T) {
	type report struct {
		part   int
		status message.Status
	}
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 4).Draw(t, "total")
		attempts := rapid.IntRange(1, 3).Draw(t, "attempts")
		fresh := func() (parts []message.Part) {
			for a := 1; a <= attempts; a++ {
				for n := 1; n <= total; n++ {
					parts = append(parts, message.Part{Attempt: a, Number: n, Status: message.Sent})
				}
			}
			return parts
		}
		reports := rapid.SliceOf(rapid.Custom(func(t *rapid.T) report {
			return report{rapid.IntRange(0, total*attempts-1).Draw(t, "part"), rapid.SampledFrom(news).Draw(t, "status")}
		})).Draw(t, "reports")
		shuffled := rapid.Permutation(reports).Draw(t, "shuffled")
		shuffled = append(shuffled, rapid.SliceOf(rapid.SampledFrom(append(reports, report{0, message.Sent}))).Draw(t, "repeats")...)

		a, b := fresh(), fresh()
		for _, r := range reports {
			apply(a, r.part, r.status)
		}
		for _, r := range shuffled {
			apply(b, r.part, r.status)
		}
		if x, y := message.Fold(a, total), message.Fold(b, total); x != y {
			t.Fatalf("in order %s, shuffled with repeats %s", x, y)
		}
	})
}

func TestAMoreCompleteSetOfReceiptsNeverLowersADelivered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 3).Draw(t, "total")
		var parts []message.Part
		for n := 1; n <= total; n++ {
			parts = append(parts, message.Part{Attempt: 1, Number: n, Status: message.Sent})
		}
		last := message.Fold(parts, total)
		for range 20 {
			apply(parts, rapid.IntRange(0, total-1).Draw(t, "part"), rapid.SampledFrom(news).Draw(t, "status"))
			now := message.Fold(parts, total)
			if last >= message.Delivered && now < last {
				t.Fatalf("%s became %s", last, now)
			}
			last = now
		}
	})
}

func TestFold(t *testing.T) {
	part := func(attempt, number int, s message.Status) message.Part {
		return message.Part{Attempt: attempt, Number: number, Status: s}
	}
	d, f, s, u, r := message.Delivered, message.Failed, message.Sent, message.Unknown, message.Read
	for _, c := range []struct {
		name  string
		total int
		parts []message.Part
		want  message.Status
	}{
		{"all delivered", 3, []message.Part{part(1, 1, d), part(1, 2, d), part(1, 3, d)}, d},
		{"one of three failed", 3, []message.Part{part(1, 1, d), part(1, 2, f), part(1, 3, d)}, f},
		{"one still missing", 3, []message.Part{part(1, 1, d), part(1, 2, d)}, message.Sending},
		{"one without receipt", 2, []message.Part{part(1, 1, d), part(1, 2, s)}, s},
		{"read needs all", 2, []message.Part{part(1, 1, r), part(1, 2, d)}, d},
		{"older attempt delivered wins", 1, []message.Part{part(1, 1, d), part(2, 1, f)}, d},
		{"newest attempt decides", 1, []message.Part{part(1, 1, f), part(2, 1, s)}, s},
		{"unknown is said", 2, []message.Part{part(1, 1, s), part(1, 2, u)}, u},
	} {
		if got := message.Fold(c.parts, c.total); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestTheTableAgreesWithTheLibrary(t *testing.T) {
	codes := make([]int, 0, 300)
	for code := range phonenumbers.GetSupportedCallingCodes() {
		codes = append(codes, code)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf("+%d%s", rapid.SampledFrom(codes).Draw(t, "code"), rapid.StringMatching(`[0-9]{1,14}`).Draw(t, "digits"))
		got, err := message.ParsePhone(text, "")
		n, libErr := phonenumbers.Parse(text, "")
		possible := libErr == nil && phonenumbers.IsPossibleNumber(n)
		if (err == nil) != possible {
			t.Fatalf("%s: ours %v, the library's %v", text, err, possible)
		}
		if possible && got.Value != phonenumbers.Format(n, phonenumbers.E164) {
			t.Fatalf("%s: ours %s, the library's %s", text, got.Value, phonenumbers.Format(n, phonenumbers.E164))
		}
	})
}

// TestCountriesAreTheLibrarys: the table that stands in for it says the same.
func TestCountriesAreTheLibrarys(t *testing.T) {
	var codes []int
	for code := range phonenumbers.GetSupportedCallingCodes() {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	rapid.Check(t, func(t *rapid.T) {
		text := fmt.Sprintf("+%d%s", rapid.SampledFrom(codes).Draw(t, "code"), rapid.StringMatching(`[1-9][0-9]{4,11}`).Draw(t, "rest"))
		want := ""
		if n, err := phonenumbers.Parse(text, ""); err == nil {
			want = phonenumbers.GetRegionCodeForNumber(n)
		}
		if len(want) != 2 || want == "ZZ" {
			want = ""
		}
		if got := message.Country(message.Address{Kind: message.Phone, Value: text}); got != want {
			t.Fatalf("%s is of %q, the library says %q", text, got, want)
		}
	})
}

func TestNationalNumbersNeedTheRegion(t *testing.T) {
	if a, err := message.ParsePhone("0701234567", "KE"); err != nil || a.Value != "+254701234567" {
		t.Errorf("0701234567 in KE became %v, %v", a, err)
	}
	for _, text := range []string{"0701234567", "", "abc", "+999123456789", "+2547", "１２３", "+254701234567890123"} {
		if a, err := message.ParsePhone(text, ""); err == nil {
			t.Errorf("%q became %v", text, a)
		}
	}
}

// TestANumberIsAllOfItsText: what follows a number, or stands before it, is not left out in silence.
func TestANumberIsAllOfItsText(t *testing.T) {
	for _, text := range []string{"0701 234-567", "(0701) 234.567", " 0701234567 ", "\u202a+254 701\u2011234\u00a0567\u202c", "٠٧٠١٢٣٤٥٦٧"} {
		if a, err := message.ParsePhone(text, "KE"); err != nil || a.Value != "+254701234567" {
			t.Errorf("%q became %v, %v", text, a, err)
		}
	}
	for _, text := range []string{
		"0701234567; 0712345678", "0701234567 or 0712345678", "call 0701234567", "0701234567 ext. 5", "0701234567#5", "0701234567x5", "0701234567\n0712345678",
		"tel:+254701234567;ext=5", "0701234567\x00", "<b>0701234567", "0701234567' OR 1=1",
	} {
		if a, err := message.ParsePhone(text, "KE"); err == nil {
			t.Errorf("%q became %v", text, a)
		}
	}
}

func TestSenders(t *testing.T) {
	for text, want := range map[string]message.Address{
		"ACME": {Kind: message.Name, Value: "ACME"}, "A-1": {Kind: message.Name, Value: "A-1"},
		"20880": {Kind: message.Short, Value: "20880"}, "+254701234567": {Kind: message.Phone, Value: "+254701234567"}, "": {},
	} {
		if got, err := message.ParseSender(text, "KE"); err != nil || got != want {
			t.Errorf("%q became %v, %v", text, got, err)
		}
		if back := message.ParseAddress(want.String()); back != want {
			t.Errorf("%v came back as %v", want, back)
		}
	}
	for _, text := range []string{"ABCDEFGHIJKL", "AC ME", "БАНК", "+123", "A\x00"} {
		if got, err := message.ParseSender(text, "KE"); err == nil {
			t.Errorf("%q became %v", text, got)
		}
	}
}

// TestTheNewestAttemptDecidesUnlessAnOlderOneArrived holds Fold against its rule said another way, with attempts that cover
// all parts or only the last ones, as a resend does.
func TestTheNewestAttemptDecidesUnlessAnOlderOneArrived(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 4).Draw(t, "total")
		var parts []message.Part
		decides := map[int]message.Status{}
		for attempt := 1; attempt <= 3; attempt++ {
			first := rapid.IntRange(1, total+1).Draw(t, "first part")
			for n := first; n <= total; n++ {
				s := rapid.SampledFrom(news).Draw(t, "status")
				parts = append(parts, message.Part{Attempt: attempt, Number: n, Status: s})
				if have := decides[n]; have < message.Delivered || s > have {
					decides[n] = s
				}
			}
		}
		want := message.Read
		for _, s := range decides {
			want = min(want, s)
		}
		switch count := func(of message.Status) (n int) {
			for _, s := range decides {
				if s == of {
					n++
				}
			}
			return n
		}; {
		case count(message.Failed) > 0:
			want = message.Failed
		case count(message.Unknown) > 0:
			want = message.Unknown
		case len(decides) < total:
			want = message.Sending
		}
		if got := message.Fold(rapid.Permutation(parts).Draw(t, "shuffled"), total); got != want {
			t.Fatalf("%s, want %s: %+v", got, want, parts)
		}
	})
}

func TestALaterFailureNeverHidesADelivered(t *testing.T) {
	all := func(attempt int, s message.Status) (parts []message.Part) {
		for n := 1; n <= 2; n++ {
			parts = append(parts, message.Part{Attempt: attempt, Number: n, Status: s})
		}
		return parts
	}
	for _, late := range news {
		parts := append(all(1, message.Delivered), all(2, late)...)
		if got := message.Fold(parts, 2); got < message.Delivered {
			t.Errorf("delivered, then %s: %s", late, got)
		}
	}
}

func TestEchoesDiffer(t *testing.T) {
	seen := map[uint16]int{}
	for id := range 1000 {
		for part := range 3 {
			echo := message.Outbound{Message: message.ID(1<<40 + id), Attempt: 1, Number: part + 1}.Echo()
			seen[echo]++
			if echo == 0 || seen[echo] > 3 {
				t.Fatalf("%d came %d times", echo, seen[echo])
			}
		}
	}
}
