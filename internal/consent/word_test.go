package consent_test

import (
	"testing"

	"tidings.dev/internal/consent"
)

func TestWordsOfManyLanguagesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]consent.Word{
		"STOP":                         consent.Stop,
		"stop":                         consent.Stop,
		"  Stop!!! \n":                 consent.Stop,
		"\u201cStop.\u201d":            consent.Stop,
		"STOP\u200b":                   consent.Stop,
		"stop all":                     consent.Stop,
		"StopAll":                      consent.Stop,
		"opt-out":                      consent.Stop,
		"Opt  out":                     consent.Stop,
		"OPTOUT":                       consent.Stop,
		"unsubscribe":                  consent.Stop,
		"Cancel":                       consent.Stop,
		"end":                          consent.Stop,
		"quit":                         consent.Stop,
		"revoke":                       consent.Stop,
		"remove":                       consent.Stop,
		"td":                           consent.Stop,
		"Arrêt":                        consent.Stop,
		"arre\u0302t":                  consent.Stop, // the accent apart
		"arret":                        consent.Stop,
		"désabonner":                   consent.Stop,
		"no más":                       consent.Stop,
		"¡Baja!":                       consent.Stop,
		"sair":                         consent.Stop,
		"abmelden":                     consent.Stop,
		"afmelden":                     consent.Stop,
		"iptal":                        consent.Stop,
		"İPTAL":                        consent.Stop,
		"sitisha":                      consent.Stop,
		"berhenti":                     consent.Stop,
		"стоп":                         consent.Stop,
		"Отписаться.":                  consent.Stop,
		"إلغاء الاشتراك":               consent.Stop,
		"הסר":                          consent.Stop,
		"रोकें":                        consent.Stop,
		"बंद करें।":                    consent.Stop,
		"退订":                           consent.Stop,
		"配信停止":                         consent.Stop,
		"수신거부":                         consent.Stop,
		"start":                        consent.Start,
		"UNSTOP":                       consent.Start,
		"Yes!":                         consent.Start,
		"opt in":                       consent.Start,
		"начать":                       consent.Start,
		"anza":                         consent.Start,
		"help":                         consent.Help,
		"INFO?":                        consent.Help,
		"ayuda":                        consent.Help,
		"Hilfe":                        consent.Help,
		"msaada":                       consent.Help,
		"مساعدة":                       consent.Help,
		"":                             consent.None,
		"!!!":                          consent.None,
		"please stop by at 5":          consent.None,
		"Stop it":                      consent.None,
		"nonstop":                      consent.None,
		"the end":                      consent.None,
		"yes, see you at 5":            consent.None,
		"\xff\xfestop":                 consent.Stop, // in an encoding we cannot read
		"s t o p":                      consent.None,
		"STOP" + string(rune(0x1f6d1)): consent.Stop, // with a stop sign
	} {
		if got := consent.Read(text); got != want {
			t.Errorf("%q is read as %d, not %d", text, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("Stop!")
	f.Add("\xff\u0302")
	f.Fuzz(func(t *testing.T, text string) {
		if got := consent.Read(text); got != consent.Read(" "+text+" ") {
			t.Errorf("spaces around %q change what is read", text)
		}
	})
}
