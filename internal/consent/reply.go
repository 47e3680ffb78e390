package consent

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/account"
	"tidings.dev/internal/audit"
	"tidings.dev/internal/fault"
	"tidings.dev/internal/store"
)

const (
	longestReply = 480 // characters
	mostReplies  = 100 // languages
)

// Replies are what an account answers to who writes STOP, START or HELP. The zero value answers in English words' stead with
// what every account answers that chose nothing.
type Replies struct {
	Off      bool     `json:"off,omitempty"`
	Language string   `json:"language,omitempty"` // of answers to the words that everybody uses; empty: English
	Texts    TextsFor `json:"texts,omitempty"`    // that differ from what Tidings says
}

// TextsFor holds texts by language and by "stop", "start" or "help". An empty text is no answer.
type TextsFor map[string]map[string]string

// Names of the words, as texts are kept under them.
var Names = map[Word]string{Stop: "stop", Start: "start", Help: "help"}

// To is what is answered to a text that is a listed word; empty: nothing.
func (r Replies) To(text string) string {
	found := read(text)
	name, ok := Names[found.word]
	if r.Off || !ok {
		return ""
	}
	if found.language == English {
		found.language = r.Language
	}
	for _, code := range []string{found.language, r.Language, English} {
		if text, ok := r.text(code, name); ok {
			return text
		}
	}
	return ""
}

func (r Replies) text(code, name string) (string, bool) {
	if text, ok := r.Texts[code][name]; ok {
		return text, true
	}
	text, ok := ours[code][name]
	return text, ok
}

// All is every text that is answered, those of the account in place of Tidings' own.
func (r Replies) All() TextsFor {
	all := TextsFor{}
	for _, texts := range []TextsFor{ours, r.Texts} {
		for code, of := range texts {
			for name, text := range of {
				if all[code] == nil {
					all[code] = map[string]string{}
				}
				all[code][name] = text
			}
		}
	}
	return all
}

// ours are the texts of the languages.
var ours = func() TextsFor {
	all := TextsFor{}
	for _, l := range languages {
		all[l.code] = map[string]string{Names[Stop]: l.stopped, Names[Start]: l.started, Names[Help]: l.helped}
	}
	return all
}()

// isCode is what an ISO 639 code looks like.
var isCode = regexp.MustCompile(`^[a-z]{2,3}$`)

// check refuses what cannot be answered.
func (r Replies) check() error {
	if r.Language != "" && !isCode.MatchString(r.Language) {
		return fault.New(fault.InvalidField, "a language is an ISO 639 code such as sw").In("language")
	}
	if len(r.Texts) > mostReplies {
		return fault.New(fault.InvalidField, "there are texts in at most %d languages", mostReplies).In("texts")
	}
	for code, of := range r.Texts {
		if !isCode.MatchString(code) {
			return fault.New(fault.InvalidField, "a language is an ISO 639 code such as sw").In("texts")
		}
		for name, text := range of {
			in := "texts." + code + "." + name
			switch {
			case name != "stop" && name != "start" && name != "help":
				return fault.New(fault.InvalidField, "there are texts for stop, start and help").In("texts." + code)
			case !utf8.ValidString(text) || utf8.RuneCountInString(text) > longestReply:
				return fault.New(fault.InvalidField, "a text has at most %d characters", longestReply).In(in)
			case text != "" && strings.TrimSpace(text) == "":
				return fault.New(fault.InvalidField, "a text of spaces says nothing; leave it empty to answer nothing").In(in)
			case Read(text) != None:
				return fault.New(fault.InvalidField, "a text that is a listed word itself could be answered in turn").In(in)
			}
		}
	}
	if known := slices.Concat([]string{""}, codes()); !slices.Contains(known, r.Language) && len(r.Texts[r.Language]) == 0 {
		return fault.New(fault.InvalidField, "there is no text in %s", r.Language).In("language")
	}
	return nil
}

func codes() []string {
	list := make([]string, len(languages))
	for i, l := range languages {
		list[i] = l.code
	}
	return list
}

// Replies are what an account answers.
func (k *Keeper) Replies(ctx context.Context, a account.ID) (r Replies, err error) {
	text, err := on(k.store.Reader()).RepliesOf(ctx, repliesOfParams{AccountID: a})
	if store.NoRows(err) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read replies: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("read replies: %w", err)
	}
	return r, nil
}

// SetReplies changes what an account answers, or fails with fault.InvalidField.
func (k *Keeper) SetReplies(tx *store.Tx, by audit.Actor, a account.ID, r Replies) error {
	if err := r.check(); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode replies: %w", err)
	}
	if err := store.Run(tx, setReplies, []setRepliesParams{{AccountID: a, Replies: string(text)}}); err != nil {
		return fmt.Errorf("set replies: %w", err)
	}
	return audit.Append(tx, audit.Entry{Account: a, Actor: by, Action: "consent.replies", Subject: a.String()})
}
