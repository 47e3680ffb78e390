package consent_test

import (
	"strings"
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/event"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
	"tidings.dev/internal/store/storetest"
)

func TestAnswersAreInTheLanguageOfTheWord(t *testing.T) {
	t.Parallel()
	own := consent.Replies{Language: "sw", Texts: consent.TextsFor{"sw": {"stop": "Kwaheri.", "help": ""}, "xx": {"stop": "?"}}}
	for _, c := range []struct {
		replies    consent.Replies
		word, want string
	}{
		{consent.Replies{}, "STOP", "You will get no more messages from us. Reply START to get them again."},
		{consent.Replies{}, "arrêt", "Vous ne recevrez plus"},
		{consent.Replies{}, "退订", "您将不再收到"},
		{consent.Replies{}, "msaada", "Jibu STOP"},
		{consent.Replies{Language: "de"}, "STOP", "Sie erhalten keine Nachrichten mehr"},
		{consent.Replies{Language: "de"}, "Hilfe", "Antworten Sie STOP"},
		{own, "STOP", "Kwaheri."},
		{own, "Acha", "Kwaheri."},
		{own, "START", "Utapokea tena"},
		{own, "HELP", ""},
		{own, "baja", "No recibirá"},
		{consent.Replies{}, "hello", ""},
		{consent.Replies{Off: true}, "STOP", ""},
	} {
		if got := c.replies.To(c.word); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%q is answered with %q, want %q", c.word, got, c.want)
		}
	}
}

// Two servers that answer each other must come to an end: no text of ours is a word itself.
func TestNoAnswerIsAWord(t *testing.T) {
	t.Parallel()
	all := consent.Replies{}.All()
	if len(all) < 20 {
		t.Errorf("%d languages", len(all))
	}
	for code, texts := range all {
		for name, text := range texts {
			if text == "" || consent.Read(text) != consent.None || len([]rune(text)) > 160 {
				t.Errorf("%s %s: %q", code, name, text)
			}
		}
	}
}

func TestRepliesAreKept(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	k := consent.New(s, event.New(s))
	const alice, bob account.ID = 1 << 40, 2 << 40
	set := func(r consent.Replies) error {
		return s.Write(func(tx *store.Tx) error { return k.SetReplies(tx, audit.System, alice, r) })
	}
	for name, wrong := range map[string]consent.Replies{
		"a language that is none":  {Language: "english"},
		"a language without texts": {Language: "xx"},
		"a code that is none":      {Texts: consent.TextsFor{"EN": {"stop": "x"}}},
		"a word that is none":      {Texts: consent.TextsFor{"en": {"wait": "x"}}},
		"a long text":              {Texts: consent.TextsFor{"en": {"stop": strings.Repeat("x", 481)}}},
		"spaces":                   {Texts: consent.TextsFor{"en": {"stop": "  "}}},
		"a word":                   {Texts: consent.TextsFor{"en": {"stop": "Start!"}}},
	} {
		if err := set(wrong); !fault.Is(err, fault.InvalidField) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := consent.Replies{Off: true, Language: "xx", Texts: consent.TextsFor{"xx": {"stop": "bye"}}}
	for range 2 {
		if err := set(want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := k.Replies(t.Context(), alice)
	if err != nil || !got.Off || got.Language != "xx" || got.Texts["xx"]["stop"] != "bye" || got.All()["xx"]["stop"] != "bye" {
		t.Errorf("%+v, %v", got, err)
	}
	if other, err := k.Replies(t.Context(), bob); err != nil || other.Off || other.Language != "" {
		t.Errorf("%+v, %v", other, err)
	}
}
