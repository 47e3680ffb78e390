package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"tidings.dev/internal/fault"
)

const (
	maxDepth   = 32     // of objects and arrays in each other
	maxObjects = 20_000 // in one array: a large body may have millions of empty ones, which take a hundred times its size
)

// DecodeStrict reads one JSON object into the struct that into points to. It refuses what encoding/json would take in
// silence: unknown keys, keys in another case, keys that come twice, nesting over 32, text after the end, and text that
// is no Unicode. A null is as good as an absent field.
//
// A walk over the bytes looks for all that, with the type beside it; encoding/json then checks the grammar and decodes.
func DecodeStrict(data []byte, into any) error {
	if !utf8.Valid(data) {
		return fault.New(fault.MalformedBody, "the body is not UTF-8")
	}
	w := walker{data: data}
	t := reflect.TypeOf(into).Elem()
	w.space()
	if w.at() != '{' {
		return fault.New(fault.MalformedBody, "the body is not a JSON object")
	}
	w.value(shapeOf(t), 0)
	w.space()
	if w.fault == nil && w.pos < len(data) {
		w.fail(fault.MalformedBody, "there is text after the end of the object")
	}
	if w.fault != nil {
		return w.fault
	}
	if err := json.Unmarshal(data, into); err != nil {
		return decodeFault(err)
	}
	return nil
}

// decodeFault says what encoding/json found wrong without repeating what it read.
func decodeFault(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(fault.MalformedBody, "a %s does not fit here", strings.Fields(wrong.Value + " value")[0]).In(wrong.Field)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.New(fault.MalformedBody, "the body is not valid JSON at byte %d", wrong.Offset)
	}
	return fault.New(fault.MalformedBody, "the body is not valid JSON")
}

// kind is what JSON a Go type is read from.
type kind byte

const (
	free kind = iota // anything
	object
	array
	text
	numeral
	boolean
	mapping // an object with any keys
)

var kindNames = [...]string{free: "anything", object: "an object", array: "an array", text: "a string", numeral: "a number", boolean: "true or false", mapping: "an object"}

// shape is what a walk needs to know about a Go type.
type shape struct {
	kind   kind
	names  []string // of an object's fields
	fields []*shape
	elem   *shape // of an array or mapping
}

var (
	anything = &shape{}
	shapes   sync.Map // reflect.Type to *shape; what a type looks like never changes
)

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := newShape(t)
	shapes.Store(t, s)
	return s
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func newShape(t reflect.Type) *shape {
	switch {
	case t.Kind() == reflect.Pointer:
		return newShape(t.Elem())
	case reflect.PointerTo(t).Implements(unmarshaler):
		return anything
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		return &shape{kind: text}
	}
	switch t.Kind() {
	case reflect.Struct:
		return structShape(t)
	case reflect.Slice, reflect.Array:
		return &shape{kind: array, elem: newShape(t.Elem())}
	case reflect.Map:
		return &shape{kind: mapping, elem: newShape(t.Elem())}
	case reflect.String:
		return &shape{kind: text}
	case reflect.Bool:
		return &shape{kind: boolean}
	case reflect.Interface:
		return anything
	default:
		return &shape{kind: numeral}
	}
}

func structShape(t reflect.Type) *shape {
	s := &shape{kind: object}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		s.names = append(s.names, name)
		s.fields = append(s.fields, newShape(f.Type))
	}
	if len(s.names) > 64 {
		panic(fmt.Sprintf("%v has more fields than a walk can mark", t))
	}
	return s
}

// find is the field of the name, or -1.
func (s *shape) find(name []byte) int {
	for i, known := range s.names {
		if known == string(name) {
			return i
		}
	}
	return -1
}

// walker goes over a JSON text. It knows where strings, objects and arrays begin and end, and leaves the rest of the
// grammar to encoding/json.
type walker struct {
	data  []byte
	pos   int
	path  []step
	fault *fault.Fault
}

// step is one step down into the text: a key, or a place in an array.
type step struct {
	name  []byte
	index int
}

// at is the byte under the walker, or 0 at the end.
func (w *walker) at() byte {
	if w.pos < len(w.data) {
		return w.data[w.pos]
	}
	return 0
}

func (w *walker) space() {
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ' ', '\t', '\n', '\r':
			w.pos++
		default:
			return
		}
	}
}

// fail notes the first fault; every loop ends when there is one.
func (w *walker) fail(code fault.Code, format string, args ...any) {
	if w.fault == nil {
		w.fault = fault.New(code, format, args...).In(w.field())
	}
}

func (w *walker) syntax() {
	if w.fault == nil {
		w.fault = fault.New(fault.MalformedBody, "the body is not valid JSON at byte %d", w.pos)
	}
}

// field is where the walker is, such as "messages[3].to".
func (w *walker) field() string {
	var b strings.Builder
	for _, s := range w.path {
		switch {
		case s.name == nil:
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteByte('.')
			fallthrough
		default:
			b.WriteString(clip(s.name))
		}
	}
	return b.String()
}

// clip keeps what a caller wrote short enough to be repeated.
func clip(name []byte) string {
	if len(name) <= 64 {
		return string(name)
	}
	return strings.ToValidUTF8(string(name[:64]), "") + "..."
}

func (w *walker) value(s *shape, depth int) {
	w.space()
	c := w.at()
	if c == 'n' { // null; encoding/json sees whether it is spelt so
		w.scalar()
		return
	}
	if !w.fits(s, c) {
		w.fail(fault.MalformedBody, "must be %s", kindNames[s.kind])
		return
	}
	switch c {
	case '{':
		w.deeper(depth)
		w.object(s, depth+1)
	case '[':
		w.deeper(depth)
		w.array(s, depth+1)
	case '"':
		w.text()
	default:
		w.scalar()
	}
}

func (w *walker) deeper(depth int) {
	if depth >= maxDepth {
		w.fail(fault.MalformedBody, "nested deeper than %d", maxDepth)
	}
}

func (w *walker) fits(s *shape, c byte) bool {
	switch s.kind {
	case free:
		return true
	case object, mapping:
		return c == '{'
	case array:
		return c == '['
	case text:
		return c == '"'
	case boolean:
		return c == 't' || c == 'f'
	default:
		return c == '-' || c >= '0' && c <= '9'
	}
}

func (w *walker) object(s *shape, depth int) {
	var seen names
	w.pos++ // {
	w.space()
	if w.at() == '}' {
		w.pos++
		return
	}
	for w.fault == nil {
		w.space()
		name := w.text()
		w.path = append(w.path, step{name: name})
		member := w.member(s, &seen, name)
		w.space()
		if w.at() != ':' {
			w.syntax()
			return
		}
		w.pos++
		if w.fault != nil {
			return
		}
		w.value(member, depth)
		if w.fault != nil {
			return
		}
		w.path = w.path[:len(w.path)-1]
		if w.next('}') {
			return
		}
	}
}

// member is the shape of an object's member, which must be known and new.
func (w *walker) member(s *shape, seen *names, name []byte) *shape {
	if w.fault != nil {
		return anything
	}
	if s.kind != object {
		if seen.twice(name) {
			w.fail(fault.MalformedBody, "the key comes twice")
		}
		if s.kind == mapping {
			return s.elem
		}
		return anything
	}
	i := s.find(name)
	if i < 0 {
		w.fail(fault.UnknownField, "%s", w.unknown(s, name))
		return anything
	}
	if seen.bits&(1<<i) != 0 {
		w.fail(fault.MalformedBody, "the key comes twice")
	}
	seen.bits |= 1 << i
	return s.fields[i]
}

// unknown says what is wrong with a key, and what was probably meant.
func (w *walker) unknown(s *shape, name []byte) string {
	for _, known := range s.names {
		if strings.EqualFold(known, string(name)) {
			return "there is no such field; did you mean " + known + "?"
		}
	}
	return "there is no such field"
}

func (w *walker) array(s *shape, depth int) {
	elem := anything
	if s.kind == array {
		elem = s.elem
	}
	w.pos++ // [
	w.space()
	if w.at() == ']' {
		w.pos++
		return
	}
	w.path = append(w.path, step{})
	for i := 0; w.fault == nil; i++ {
		w.path[len(w.path)-1].index = i
		if i == maxObjects && elem.kind == object {
			w.fail(fault.TooManyItems, "an array has at most %d objects", maxObjects)
			return
		}
		w.value(elem, depth)
		if w.fault != nil {
			return
		}
		if w.next(']') {
			w.path = w.path[:len(w.path)-1]
			return
		}
	}
}

// next steps over a comma, or over the end, which it reports.
func (w *walker) next(end byte) bool {
	w.space()
	switch w.at() {
	case ',':
		w.pos++
		return false
	case end:
		w.pos++
		return true
	default:
		w.syntax()
		return true
	}
}

// text steps over a string and returns what it says, not to be kept. Half a surrogate pair and U+0000 are refused: no
// network carries them, and the one is no Unicode.
func (w *walker) text() []byte {
	if w.at() != '"' {
		w.syntax()
		return nil
	}
	w.pos++
	start := w.pos
	for w.pos < len(w.data) {
		switch c := w.data[w.pos]; {
		case c == '"':
			w.pos++
			return w.data[start : w.pos-1]
		case c == '\\':
			return w.escaped(start)
		case c < ' ':
			w.syntax()
			return nil
		}
		w.pos++
	}
	w.syntax()
	return nil
}

// escaped goes on with a string that has escapes.
func (w *walker) escaped(start int) []byte {
	for w.pos < len(w.data) && w.data[w.pos] != '"' {
		if w.data[w.pos] != '\\' {
			w.pos++
			continue
		}
		if w.escape(); w.fault != nil {
			return nil
		}
	}
	if w.pos >= len(w.data) {
		w.syntax()
		return nil
	}
	w.pos++
	var said string
	if json.Unmarshal(w.data[start-1:w.pos], &said) != nil {
		w.syntax()
	}
	return []byte(said)
}

// escape steps over one escape, or a pair of them for one character.
func (w *walker) escape() {
	r, ok := w.hex(w.pos)
	switch {
	case !ok:
		w.pos += 2
		return
	case r == 0:
		w.fail(fault.MalformedBody, "holds the character U+0000")
	case r >= 0xDC00 && r <= 0xDFFF:
		w.fail(fault.MalformedBody, "holds half a surrogate pair")
	case r >= 0xD800 && r <= 0xDBFF:
		low, ok := w.hex(w.pos + 6)
		if !ok || low < 0xDC00 || low > 0xDFFF {
			w.fail(fault.MalformedBody, "holds half a surrogate pair")
		}
		w.pos += 6
	}
	w.pos += 6
}

// hex reads \uXXXX at a place.
func (w *walker) hex(at int) (uint64, bool) {
	if at+6 > len(w.data) || w.data[at] != '\\' || w.data[at+1] != 'u' {
		return 0, false
	}
	r, err := strconv.ParseUint(string(w.data[at+2:at+6]), 16, 32)
	return r, err == nil
}

// scalar steps over a number or a word.
func (w *walker) scalar() {
	start := w.pos
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ',', '}', ']', ' ', '\t', '\n', '\r', '"', '{', '[', ':':
			if w.pos == start {
				w.syntax()
			}
			return
		}
		w.pos++
	}
	if w.pos == start {
		w.syntax()
	}
}

// names are the keys of one object: a bit for each known one, else the keys themselves.
type names struct {
	bits uint64
	few  [][]byte
	many map[string]struct{}
}

// twice reports whether the name was there already, and notes it.
func (n *names) twice(name []byte) bool {
	if n.many == nil {
		for _, seen := range n.few {
			if bytes.Equal(seen, name) {
				return true
			}
		}
		if n.few = append(n.few, name); len(n.few) > 16 {
			n.many = make(map[string]struct{}, 64)
			for _, seen := range n.few {
				n.many[string(seen)] = struct{}{}
			}
		}
		return false
	}
	_, ok := n.many[string(name)]
	n.many[string(name)] = struct{}{}
	return ok
}
