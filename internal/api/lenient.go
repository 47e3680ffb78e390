package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/fault"
)

// Text is what a caller wrote as text or as a number: digits stay as they were written. Null and "" are as good as absent.
type Text string

// UnmarshalJSON reads a string, a number, true, false or null.
func (t *Text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		if plain(data) { // as nearly all texts are; the decoder has looked at the grammar
			*t = Text(data[1 : len(data)-1])
			return nil
		}
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return fault.New(fault.MalformedBody, "the body is not valid JSON")
		}
		if strings.ContainsRune(text, 0) {
			return fault.New(fault.InvalidField, "a text has no zero character")
		}
		*t = Text(text)
	case '{', '[':
		return fault.New(fault.InvalidField, "a text belongs here")
	case 'n':
		*t = ""
	default:
		*t = Text(data)
	}
	return nil
}

// plain reports whether a JSON string stands for its own letters.
func plain(data []byte) bool { return bytes.IndexByte(data, '\\') < 0 && utf8.Valid(data) }

// Texts is a list of what callers wrote as texts or numbers; a single one is a list of one.
type Texts []Text

// UnmarshalJSON reads an array, or one text.
func (t *Texts) UnmarshalJSON(data []byte) error {
	if data[0] == '[' {
		return json.Unmarshal(data, (*[]Text)(t))
	}
	var one Text
	if err := one.UnmarshalJSON(data); err != nil || one == "" {
		return err
	}
	*t = Texts{one}
	return nil
}

// members are the values of a request by name, as JSON.
type members map[string]json.RawMessage

// put adds the values of a form or query under a name. One that ends in [] is a list.
func (m members) put(name string, values []string) {
	name, isList := strings.CutSuffix(name, "[]")
	var text []byte
	var err error
	if isList {
		text, err = json.Marshal(values)
	} else {
		text, err = json.Marshal(values[len(values)-1])
	}
	if err != nil {
		panic(err) // texts can be encoded
	}
	m[name] = text
}

func (m members) putAll(all url.Values) {
	for name, values := range all {
		m.put(name, values)
	}
}

// fill puts the members into the struct's fields, by their json tags.
func (m members) fill(into reflect.Value) error {
	for f, v := range into.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		value, ok := m[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(value, v.Addr().Interface()); err != nil {
			wrong := fault.Of(err)
			if wrong == nil {
				wrong = fault.New(fault.InvalidField, "the value does not fit here")
			}
			return wrong.In(name)
		}
	}
	return nil
}

// DecodeLenient reads the request's query and body into a struct of Text and Texts, as the compatible surfaces do: the body is a
// JSON object or a form, and wins over the query; what the struct does not name is ignored; no body is as good as an empty one.
//
// Files are handed over while they arrive, whatever comes after them: a request may carry more than fits in memory.
func DecodeLenient[T any](r *http.Request, files ...File) (*T, error) {
	m := members{}
	m.putAll(r.URL.Query())
	if err := visitOf(r).readLenient(r, m, files); err != nil {
		return nil, err
	}
	into := new(T)
	return into, m.fill(reflect.ValueOf(into).Elem())
}
