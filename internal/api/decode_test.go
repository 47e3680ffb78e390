package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tidings.dev/internal/api"
	"tidings.dev/internal/fault"
)

// body has a field of each form that bodies have.
type body struct {
	Text   string             `json:"text"`
	Number int                `json:"number,omitempty"`
	Yes    *bool              `json:"yes"`
	Raw    json.RawMessage    `json:"raw"`
	Words  []string           `json:"words"`
	Items  []item             `json:"items"`
	Map    map[string]int     `json:"map"`
	Any    any                `json:"any"`
	At     time.Time          `json:"at"`
	Inner  struct{ A, B int } `json:"inner"`
}

type item struct {
	Name string `json:"name"`
}

func TestDecodeSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"text":"a","words":["x","y"],"yes":true,"inner":{"A":1}}`: "",
		` {"raw":{"a":[1,{"b":null}]},"any":[],"map":{"k":1}} `:     "",
		`{"text":null,"number":null,"items":[null]}`:                "",
		`{"text":"\ud83d\ude00\n\u00e9"}`:                           "",
		`{"items":[{"name":"a"},{"neam":"b"}]}`:                     "unknown_field items[1].neam",
		`{"items":[{"name":"a"},{"Name":"b"}]}`:                     "unknown_field items[1].Name",
		`{"inner":{"A":1,"A":2}}`:                                   "malformed_body inner.A",
		`{"map":{"k":1,"k":2}}`:                                     "malformed_body map.k",
		`{"any":[{"k":1,"\u006b":2}]}`:                              "malformed_body any[0].k",
		`{"number":"1"}`:                                            "malformed_body number",
		`{"number":1.5}`:                                            "malformed_body number",
		`{"number":9223372036854775808}`:                            "malformed_body number",
		`{"yes":"true"}`:                                            "malformed_body yes",
		`{"words":"x"}`:                                             "malformed_body words",
		`{"words":[1]}`:                                             "malformed_body words[0]",
		`{"items":[[]]}`:                                            "malformed_body items[0]",
		`{"inner":[]}`:                                              "malformed_body inner",
		`{"items":[` + strings.Repeat("{},", 20_000) + `{}]}`:       "too_many_items items[20000]",
		`{"text":"\ude00"}`:                                         "malformed_body text",
		`{"text":"\ud83d\ud83d"}`:                                   "malformed_body text",
		`{"text":"\u0000"}`:                                         "malformed_body text",
		`{"any":"\u0000"}`:                                          "malformed_body any",
		`{"text":"a` + "\n" + `"}`:                                  "malformed_body ",
		`{"text":"\x"}`:                                             "malformed_body ",
		`{"text":nul}`:                                              "malformed_body ",
		`{"number":01}`:                                             "malformed_body ",
		`{"number":-}`:                                              "malformed_body ",
		`{"text":"a",}`:                                             "malformed_body ",
		`{"text" "a"}`:                                              "malformed_body ",
		`{'text':"a"}`:                                              "malformed_body ",
		`{"any":[1 2]}`:                                             "malformed_body ",
		`{}{}`:                                                      "malformed_body ",
		`{} // done`:                                                "malformed_body ",
		"\ufeff{}":                                                  "malformed_body ",
		`"{}"`:                                                      "malformed_body ",
		``:                                                          "malformed_body ",
	} {
		got := ""
		if f := fault.Of(api.DecodeStrict([]byte(text), new(body))); f != nil {
			got = string(f.Code) + " " + f.Field
		}
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestManyKeysAreNoBurden(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"any":{`)
	for i := range 60_000 {
		fmt.Fprintf(&b, `"key%d":1,`, i)
	}
	b.WriteString(`"key17":1}}`)
	began := time.Now()
	err := api.DecodeStrict([]byte(b.String()), new(body))
	if !fault.Is(err, fault.MalformedBody) || fault.Of(err).Field != "any.key17" {
		t.Errorf("the last of many keys is not seen to come twice: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

// FuzzDecodeStrict compares the decoder with a slow one made of encoding/json's tokens: both take the same texts, and
// what is taken means what encoding/json says.
func FuzzDecodeStrict(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a","items":[{"name":"b"}],"any":{"x":[1,2,{"y":null}]}}`, `{"text":"\ud83d\ude00","raw":{"a":1,"a":2}}`, `{"TEXT":1}`,
		`{"any":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{"":{"":1}}`, `{"map":{"a":1e5}}`, "{\"text\":\"\x80\"}", `{"text":"\u0000"}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want body
		err := api.DecodeStrict(data, &got)
		if err != nil {
			if of := fault.Of(err); of == nil || (of.Code != fault.MalformedBody && of.Code != fault.UnknownField) || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q fails with %v", data, err)
			}
		}
		slow := slowly(data)
		if slow == nil {
			slow = json.Unmarshal(data, &want)
		}
		if (err == nil) != (slow == nil) {
			t.Fatalf("%q: %v, slowly %v", data, err, slow)
		}
		if err == nil && fmt.Sprintf("%+v", got.Items) != fmt.Sprintf("%+v", want.Items) {
			t.Fatalf("%q is read as %+v", data, got)
		}
	})
}

// slowly says what is wrong with a text by the rules of the native API, one token at a time.
func slowly(data []byte) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return errors.New("no JSON")
	}
	if bytes.Contains(data, []byte(`\u`)) {
		var escapes any
		d := json.NewDecoder(bytes.NewReader(data))
		_ = d.Decode(&escapes)
		if text := fmt.Sprintf("%q", escapes); strings.Contains(text, `\x00`) || strings.Contains(text, `\ufffd`) || strings.Contains(text, "\ufffd") {
			return errors.New("an escape that stands for nothing") // U+FFFD itself is left out of the comparison below
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	first, err := d.Token()
	if err != nil || first != json.Delim('{') {
		return errors.New("no object")
	}
	if err := slowBody(d); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more text")
	}
	return nil
}

// slowBody reads a body whose { was read.
func slowBody(d *json.Decoder) error {
	return slowMembers(d, 1, func(name string) bool {
		return slices.Contains(strings.Fields("text number yes raw words items map any at inner"), name)
	}, func(name string) func(string) bool {
		switch name {
		case "items":
			return func(n string) bool { return n == "name" }
		case "inner":
			return func(n string) bool { return n == "A" || n == "B" }
		default:
			return nil
		}
	})
}

// slowMembers reads an object whose { was read. allowed nil lets every name be.
func slowMembers(d *json.Decoder, depth int, allowed func(string) bool, inside func(string) func(string) bool) error {
	if depth > 32 {
		return errors.New("too deep")
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok || seen[name] || allowed != nil && !allowed(name) {
			return fmt.Errorf("key %v", token)
		}
		seen[name] = true
		var next func(string) bool
		if inside != nil {
			next = inside(name)
		}
		if err := slowValue(d, depth, next); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func slowValue(d *json.Decoder, depth int, allowed func(string) bool) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return slowMembers(d, depth+1, allowed, nil)
	case json.Delim('['):
		if depth+1 > 32 {
			return errors.New("too deep")
		}
		for d.More() {
			if err := slowValue(d, depth+1, allowed); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}
