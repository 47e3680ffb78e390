package consent

import (
	"strings"
	"unicode"
)

// Word is what a short answer asks for.
type Word int

// The words.
const (
	None Word = iota
	Stop
	Start
	Help
)

// longest is more bytes than any listed word has, with room for punctuation: longer texts say something else.
const longest = 100

// Read tells what a text asks for. Only a text that is nothing but a listed word counts, in any case and with any
// punctuation around it: "please stop by at 5" is no opt-out.
func Read(text string) Word {
	text = strings.TrimSpace(text)
	if len(text) > longest {
		return None
	}
	return words[plain(text)]
}

// plain is the text in capitals with one space between its words. Signs between words count as spaces; marks that cannot
// be seen, and accents written apart from their letter, do not count.
func plain(text string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(text) {
		switch {
		case unicode.Is(unicode.Cf, r) || r >= 0x300 && r <= 0x36f || r >= 0xfe00 && r <= 0xfe0f:
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// lists are the words by what they ask for. The English ones are those that carriers in the United States require and the
// large providers take (47 CFR 64.1200(a)(10)).
var lists = map[Word][]string{
	Stop: {
		"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "REMOVE", // English
		"ARRET", "ARRÊT", "ARRETER", "ARRÊTER", "DESABONNER", "DÉSABONNER", "DESINSCRIRE", "DÉSINSCRIRE", // French
		"ALTO", "BAJA", "PARAR", "CANCELAR", "DETENER", "NO MAS", "NO MÁS", // Spanish
		"SAIR", "REMOVER", "DESCADASTRAR", // Portuguese
		"STOPP", "ABMELDEN", "ABBESTELLEN", // German
		"FERMA", "CANCELLA", "ANNULLA", "DISISCRIVI", // Italian
		"AFMELDEN", "STOPPEN", "UITSCHRIJVEN", // Dutch
		"AVSLUTA", "AVREGISTRERA", "AFMELD", "AVSLUTT", // Swedish, Danish, Norwegian
		"WYPISZ", "REZYGNUJE", "REZYGNUJĘ", // Polish
		"DUR", "IPTAL", "İPTAL", // Turkish
		"ACHA", "SIMAMA", "SITISHA", "JIONDOE", // Swahili
		"BERHENTI", "BATAL", // Indonesian, Malay
		"DUNG", "DỪNG", "HUY", "HỦY", // Vietnamese
		"СТОП", "ОТПИСАТЬСЯ", "ОТПИСКА", "ОТМЕНА", "ВІДПИСАТИСЯ", // Russian, Ukrainian
		"توقف", "إيقاف", "ايقاف", "قف", "إلغاء", "الغاء", "إلغاء الاشتراك", "الغاء الاشتراك", // Arabic
		"הסר", "הסרה", "עצור", // Hebrew
		"रोकें", "रोको", "बंद", "बंद करें", // Hindi
		"TD", "退订", "退訂", "停止", "取消", // Chinese
		"配信停止", "解除", "ストップ", // Japanese
		"수신거부", "중지", "그만", // Korean
	},
	Start: {
		"START", "UNSTOP", "YES", "OPTIN", "OPT IN", "SUBSCRIBE", "RESUME", // English
		"COMMENCER", "REPRENDRE", "ALTA", "INICIAR", "EMPEZAR", "COMECAR", "COMEÇAR", // French, Spanish, Portuguese
		"ANMELDEN", "INIZIA", "AANMELDEN", "BASLAT", "BAŞLAT", "ANZA", "JIUNGE", "MULAI", // German, Italian, Dutch, Turkish, Swahili, Indonesian
		"СТАРТ", "НАЧАТЬ", "ابدأ", "ابدا", "اشتراك", "התחל", "शुरू", "开始", "開始", "订阅", "訂閱", "시작",
	},
	Help: {
		"HELP", "INFO", // English
		"AIDE", "AYUDA", "AJUDA", "HILFE", "AIUTO", "HJÄLP", "HJÆLP", "HJELP", "POMOC", "YARDIM", "MSAADA", "USAIDIZI", "BANTUAN",
		"ПОМОЩЬ", "ИНФО", "ДОПОМОГА", "مساعدة", "עזרה", "मदद", "帮助", "幫助", "ヘルプ", "도움말",
	},
}

var words = func() map[string]Word {
	index := map[string]Word{}
	for word, list := range lists {
		for _, text := range list {
			index[text] = word
		}
	}
	return index
}()
