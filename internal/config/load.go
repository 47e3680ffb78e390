package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"tidings.dev/internal/telemetry"
)

const (
	envPrefix = "TIDINGS_"
	envFile   = "TIDINGS_CONFIG" // names the file when no flag does
	inFile    = "_file"          // ends the key that names a file with a secret
)

// Load reads the file (none when path and TIDINGS_CONFIG are empty), puts the environment over it and the flags over both.
// env is as os.Environ gives it; flags go by key, such as log.level. The error tells all mistakes, one in a line.
func Load(path string, env []string, flags map[string]string) (Config, error) {
	c := Default()
	l := &loader{settings: settingsOf(&c), origin: map[string]string{}}
	variables := ours(env)
	path = cmp.Or(path, variables[envFile])
	delete(variables, envFile)

	if path != "" {
		l.file(path)
	}
	l.environment(variables)
	l.flags(flags)
	l.mistakes = append(l.mistakes, l.check(&c)...)
	return c, errors.Join(l.mistakes...)
}

// setting is one leaf of Config.
type setting struct {
	key   string // section.name
	doc   string
	value reflect.Value
}

// settingsOf lists the leaves of a Config in the order of their declaration.
func settingsOf(c *Config) []setting {
	var list []setting
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			tag, field := v.Type().Field(i).Tag, v.Field(i)
			key := prefix + tag.Get("key")
			if field.Kind() == reflect.Struct {
				walk(field, key+".")
				continue
			}
			list = append(list, setting{key, tag.Get("doc"), field})
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
	return list
}

func (s setting) secret() bool { return s.value.Type() == reflect.TypeFor[telemetry.Secret]() }

// variable is a key's name in the environment.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// loader puts layers of texts into settings and gathers what is wrong with them.
type loader struct {
	settings []setting
	origin   map[string]string // which layer set a key
	mistakes []error
}

func (l *loader) mistake(format string, args ...any) {
	l.mistakes = append(l.mistakes, fmt.Errorf(format, args...))
}

// file reads a TOML file as a layer.
func (l *loader) file(path string) {
	var tree map[string]any
	_, err := toml.DecodeFile(path, &tree)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		l.mistake("%s, line %d: %s", path, syntax.Position.Line, syntax.Message)
	case err != nil:
		l.mistake("the settings cannot be read: %w", err)
	}
	texts := map[string]string{}
	l.flatten(texts, tree, "", path)
	name := func(key string) string { return key + " in " + path }
	l.layer(texts, name, filepath.Dir(path))
}

// flatten turns a tree of tables into dotted keys, and their values into texts.
func (l *loader) flatten(texts map[string]string, tree map[string]any, prefix, path string) {
	for name, value := range tree {
		key := prefix + name
		switch value := value.(type) {
		case map[string]any:
			l.flatten(texts, value, key+".", path)
		case []any:
			items := make([]string, len(value))
			for i, item := range value {
				items[i] = fmt.Sprint(item)
			}
			texts[key] = strings.Join(items, ",")
		case string, int64, bool:
			texts[key] = fmt.Sprint(value)
		default:
			l.mistake("%s in %s has a value of a kind that no setting has; write it in quotes", key, path)
		}
	}
}

// ours are the variables that speak to us.
func ours(env []string) map[string]string {
	found := map[string]string{}
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			found[name] = value
		}
	}
	return found
}

// environment reads TIDINGS_* variables as a layer.
func (l *loader) environment(variables map[string]string) {
	keys := map[string]string{}
	for _, key := range l.keys() {
		keys[variable(key)] = key
	}
	texts := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		key, known := keys[name]
		if !known {
			l.mistake("%s is no setting%s", name, didYouMean(name, slices.Collect(maps.Keys(keys))))
			continue
		}
		texts[key] = variables[name]
	}
	l.layer(texts, variable, "")
}

// flags reads values given on the command line as a layer.
func (l *loader) flags(texts map[string]string) {
	l.layer(texts, func(key string) string { return "the flag " + key }, "")
}

// keys lists what a layer may set: every setting, and for each secret the file it may be in.
func (l *loader) keys() []string {
	var keys []string
	for _, s := range l.settings {
		keys = append(keys, s.key)
		if s.secret() {
			keys = append(keys, s.key+inFile)
		}
	}
	return keys
}

// layer sets what the texts say. name tells where a key was set; files of secrets are found from dir.
func (l *loader) layer(texts map[string]string, name func(key string) string, dir string) {
	known := l.keys()
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(known, key) {
			l.mistake("%s is no setting%s", name(key), didYouMean(key, known))
		}
	}
	for _, s := range l.settings {
		if text, ok := texts[s.key]; ok {
			l.set(s, text, name(s.key))
		}
		if path, ok := texts[s.key+inFile]; ok && s.secret() {
			if _, twice := texts[s.key]; twice {
				l.mistake("%s and %s are both set; keep one", name(s.key), name(s.key+inFile))
			}
			l.setFromFile(s, path, dir, name(s.key+inFile))
		}
	}
}

// set puts a text into a setting. What a secret says is in no mistake.
func (l *loader) set(s setting, text, from string) {
	l.origin[s.key] = from
	if err := parse(s.value, text); err != nil {
		l.mistake("%s: %q %w", from, text, err)
	}
}

// setFromFile puts what a file holds into a secret.
func (l *loader) setFromFile(s setting, path, dir, from string) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := os.ReadFile(path)
	secret := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		l.mistake("%s: the secret cannot be read: %w", from, err)
	case secret == "":
		l.mistake("%s: %s is empty", from, path)
	default:
		l.set(s, secret, from)
	}
}
