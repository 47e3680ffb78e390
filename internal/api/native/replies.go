package native

import (
	"net/http"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/consent"
	"tidings.dev/internal/store"
)

func (s *server) replyOperations() []operation {
	return []operation{
		op[noInput, output[repliesReply]]("GET /opt-outs/replies", account.AccountRead, "readReplies", "Read what is answered to STOP, START and HELP", s.readReplies),
		op[input[repliesRequest], output[repliesReply]]("PUT /opt-outs/replies", account.Admin, "putReplies", "Choose what is answered to STOP, START and HELP", s.putReplies),
	}
}

// repliesRequest is what an account chooses itself; the rest is as Tidings has it.
type repliesRequest struct {
	Enabled  *bool             `json:"enabled,omitempty" doc:"Whether anything is answered; true without it."`
	Language string            `json:"language,omitempty" doc:"Of the answers to words that are used everywhere, such as STOP; en without it." example:"sw"`
	Texts    map[string]wordly `json:"texts,omitempty" doc:"Texts by language (ISO 639), in place of those that Tidings has."`
}

// wordly is the texts of one language.
type wordly struct {
	Stop  *string `json:"stop,omitempty" doc:"Confirms that nothing more will come; empty: nothing is answered." maxLength:"480"`
	Start *string `json:"start,omitempty" doc:"Confirms that messages come again." maxLength:"480"`
	Help  *string `json:"help,omitempty" doc:"Answers HELP and INFO." maxLength:"480"`
}

// repliesReply is all that is answered.
type repliesReply struct {
	Enabled  bool              `json:"enabled"`
	Language string            `json:"language"`
	Texts    map[string]wordly `json:"texts" doc:"Texts by language, those of the account in place of Tidings' own."`
}

// readReplies tells what the account answers.
func (s *server) readReplies(w http.ResponseWriter, r *http.Request) error {
	replies, err := s.core.Consent.Replies(r.Context(), api.CallerOf(r).Account.ID)
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showReplies(replies))
}

// putReplies chooses what the account answers, in place of all that it chose before.
func (s *server) putReplies(w http.ResponseWriter, r *http.Request) error {
	in, err := api.Decode[repliesRequest](r)
	if err != nil {
		return err
	}
	c, replies := api.CallerOf(r), in.replies()
	err = s.core.Store.Write(func(tx *store.Tx) error { return s.core.Consent.SetReplies(tx, c.By, c.Account.ID, replies) })
	if err != nil {
		return err
	}
	return api.Reply(w, http.StatusOK, showReplies(replies))
}

// replies says the request in the words of the keeper.
func (in *repliesRequest) replies() consent.Replies {
	r := consent.Replies{Off: in.Enabled != nil && !*in.Enabled, Language: in.Language, Texts: consent.TextsFor{}}
	for code, of := range in.Texts {
		r.Texts[code] = map[string]string{}
		for name, text := range map[string]*string{"stop": of.Stop, "start": of.Start, "help": of.Help} {
			if text != nil {
				r.Texts[code][name] = *text
			}
		}
	}
	return r
}

func showReplies(r consent.Replies) repliesReply {
	shown := repliesReply{Enabled: !r.Off, Language: r.Language, Texts: map[string]wordly{}}
	if shown.Language == "" {
		shown.Language = consent.English
	}
	for code, of := range r.All() {
		shown.Texts[code] = wordly{Stop: textOf(of, "stop"), Start: textOf(of, "start"), Help: textOf(of, "help")}
	}
	return shown
}

// textOf is a text that is there.
func textOf(texts map[string]string, name string) *string {
	if text, ok := texts[name]; ok {
		return &text
	}
	return nil
}
