package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Shown is a setting as the operator may see it: secrets are hidden.
type Shown struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Settings lists what holds now, with secrets hidden.
func (c Config) Settings() []Shown {
	var shown []Shown
	for _, s := range settingsOf(&c) {
		shown = append(shown, Shown{s.key, render(s.value)})
	}
	return shown
}

const sampleHead = `# Settings of Tidings. Everything here is the default: remove the # before a line and change it.
# Each may also come from the environment, which wins over this file: log.level is TIDINGS_LOG_LEVEL, lists have commas.
# A secret may be in a file of its own: master_key_file = "/run/secrets/master_key".
`

// Sample is a settings file with every setting, its meaning and its default.
func Sample() string {
	var out strings.Builder
	out.WriteString(sampleHead)
	c := Default()
	docs := sections()
	section := ""
	for _, s := range settingsOf(&c) {
		name := s.key
		if before, after, ok := strings.Cut(s.key, "."); ok {
			name = after
			if before != section {
				section = before
				fmt.Fprintf(&out, "\n%s[%s]\n", comment(docs[section]), section)
			}
		}
		fmt.Fprintf(&out, "\n%s#%s = %s\n", comment(s.doc), name, render(s.value))
	}
	return out.String()
}

// sections maps each section to what it is about.
func sections() map[string]string {
	docs := map[string]string{}
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		docs[tag.Get("key")] = tag.Get("doc")
	}
	return docs
}

// comment breaks a text into comment lines of at most 100 letters.
func comment(text string) string {
	var out strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 100 {
			out.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return out.String() + line + "\n"
}
