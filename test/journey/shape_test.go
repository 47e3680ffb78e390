package journey

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shape tells what is wrong with a value of a reply; nothing if it is as it should be.
type shape func(v any) string

// kinds are the values that one word stands for. A question mark behind it lets null in as well.
var kinds = map[string]shape{
	"any":    func(any) string { return "" },
	"null":   func(v any) string { return unless(v == nil, v, "null") },
	"bool":   func(v any) string { _, ok := v.(bool); return unless(ok, v, "true or false") },
	"text":   func(v any) string { _, ok := v.(string); return unless(ok, v, "a text") },
	"int":    whole(math.MinInt32, math.MaxInt32), // typed clients have 32 bits
	"id":     whole(1, math.MaxInt32),
	"time":   whole(1_500_000_000, math.MaxInt32),
	"flag":   whole(0, 1),
	"float":  func(v any) string { _, ok := v.(json.Number); return unless(ok, v, "a number") },
	"uuid":   like(`[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}`),
	"price":  like(`\d+\.\d{4}`),
	"money":  like(`-?\d+\.\d+`),
	"day":    like(`\d{4}-\d\d-\d\d`),
	"empty":  like(""),
	"digits": like(`\d+`),
}

func unless(ok bool, v any, what string) string {
	if ok {
		return ""
	}
	text, _ := json.Marshal(v)
	return fmt.Sprintf(" is %.80s, not %s", text, what)
}

func whole(low, high int64) shape {
	return func(v any) string {
		number, _ := v.(json.Number)
		n, err := strconv.ParseInt(string(number), 10, 64)
		return unless(err == nil && n >= low && n <= high, v, fmt.Sprintf("a whole number from %d to %d", low, high))
	}
}

func like(pattern string) shape {
	whole := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return func(v any) string {
		text, ok := v.(string)
		return unless(ok && whole.MatchString(text), v, "a text like "+pattern)
	}
}

// kind is the shape that a word stands for.
func kind(word string) shape {
	name, orNull := strings.CutSuffix(word, "?")
	is, known := kinds[name]
	if !known {
		panic("there is no kind of value " + name)
	}
	if !orNull {
		return is
	}
	return func(v any) string {
		if v == nil {
			return ""
		}
		return is(v)
	}
}

// object has exactly these fields: name:kind, several names a,b:kind, and those whose values are more than a word.
func object(fields string, more ...map[string]shape) shape {
	want := map[string]shape{}
	for _, field := range strings.Fields(fields) {
		names, word, _ := strings.Cut(field, ":")
		for name := range strings.SplitSeq(names, ",") {
			want[name] = kind(word)
		}
	}
	for _, m := range more {
		maps.Copy(want, m)
	}
	return func(v any) string {
		o, ok := v.(map[string]any)
		if !ok {
			return unless(false, v, "an object")
		}
		var wrong []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if value, there := o[name]; !there {
				wrong = append(wrong, "."+name+" is missing")
			} else if complaint := want[name](value); complaint != "" {
				wrong = append(wrong, "."+name+complaint)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(o)) {
			if want[name] == nil {
				wrong = append(wrong, "."+name+" is not in the contract")
			}
		}
		return strings.Join(wrong, "; ")
	}
}

// either is one shape or another.
func either(shapes ...shape) shape {
	return func(v any) string {
		var wrong []string
		for _, is := range shapes {
			complaint := is(v)
			if complaint == "" {
				return ""
			}
			wrong = append(wrong, complaint)
		}
		return strings.Join(wrong, " | ")
	}
}

// list has values of one shape.
func list(of shape) shape {
	return func(v any) string {
		values, ok := v.([]any)
		if !ok {
			return unless(false, v, "an array")
		}
		for i, value := range values {
			if complaint := of(value); complaint != "" {
				return fmt.Sprintf("[%d]%s", i, complaint)
			}
		}
		return ""
	}
}

// value is a part of a reply.
type value struct{ v any }

// read is the value that a JSON text stands for, its numbers as they were written.
func read(t *testing.T, text []byte) value {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
	return value{v}
}

// at goes down by names and places: at("messages.0.to"). What is not there is null.
func (v value) at(path string) value {
	for step := range strings.SplitSeq(path, ".") {
		switch in := v.v.(type) {
		case map[string]any:
			v = value{in[step]}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return value{}
			}
			v = value{in[i]}
		default:
			return value{}
		}
	}
	return v
}

// String is a text as it is, and anything else as JSON has it.
func (v value) String() string {
	if text, ok := v.v.(string); ok {
		return text
	}
	text, _ := json.Marshal(v.v)
	return string(text)
}

// text is a text; of anything else it is empty.
func (v value) text() string {
	text, _ := v.v.(string)
	return text
}

// number is a whole number; of anything else it is zero.
func (v value) number() int64 {
	n, _ := strconv.ParseInt(v.String(), 10, 64)
	return n
}

// each are the members of an array.
func (v value) each() (all []value) {
	members, _ := v.v.([]any)
	for _, m := range members {
		all = append(all, value{m})
	}
	return all
}

// where is the first member of an array in which the field has this value.
func (v value) where(field, is string) value {
	for _, m := range v.each() {
		if m.at(field).String() == is {
			return m
		}
	}
	return value{}
}

// has compares some fields with what they must hold.
func (v value) has(t *testing.T, what string, want map[string]any) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		text := fmt.Sprint(want[path])
		if want[path] == nil {
			text = "null"
		}
		if got := v.at(path).String(); got != text {
			t.Errorf("%s: %s is %s, not %s", what, path, got, text)
		}
	}
}

func TestShapesComplain(t *testing.T) {
	t.Parallel()
	is := object("a,b:id c:text?", map[string]shape{"d": list(object("e:price"))})
	for text, want := range map[string]string{
		`{"a":1,"b":2,"c":null,"d":[{"e":"0.0001"}]}`:   "",
		`{"a":0,"b":1.5,"c":1,"d":[]}`:                  ".a is 0, not a whole number from 1 to 2147483647; .b is 1.5, not a whole number from 1 to 2147483647; .c is 1, not a text",
		`{"a":2147483648,"b":"2","c":"","d":[{"e":1}]}`: `.a is 2147483648, not a whole number from 1 to 2147483647; .b is "2", not a whole number from 1 to 2147483647; .d[0].e is 1, not a text like \d+\.\d{4}`,
		`{"a":1,"c":"","d":[],"z":1}`:                   ".b is missing; .z is not in the contract",
		`{"a":1,"b":1,"c":"","d":[{"e":"0.00012"}]}`:    `.d[0].e is "0.00012", not a text like \d+\.\d{4}`,
		`[]`: " is [], not an object",
	} {
		if got := is(read(t, []byte(text)).v); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
