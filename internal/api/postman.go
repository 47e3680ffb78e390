package api

import (
	"encoding/json"
	"reflect"
	"strings"
)

// The shapes of a Postman collection, format 2.1.
type (
	postmanCollection struct {
		Info     postmanInfo       `json:"info"`
		Auth     *postmanAuth      `json:"auth,omitempty"`
		Item     []postmanItem     `json:"item"`
		Variable []postmanVariable `json:"variable"`
	}
	postmanInfo struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      string `json:"schema"`
	}
	postmanAuth struct {
		Type   string            `json:"type"`
		Basic  []postmanVariable `json:"basic,omitempty"`
		Bearer []postmanVariable `json:"bearer,omitempty"`
		APIKey []postmanVariable `json:"apikey,omitempty"`
	}
	postmanVariable struct {
		Key   string `json:"key"`
		Value string `json:"value"`
		Type  string `json:"type,omitempty"`
	}
	postmanItem struct {
		Name     string         `json:"name"`
		Request  postmanRequest `json:"request"`
		Response []postmanReply `json:"response"`
	}
	postmanRequest struct {
		Method string            `json:"method"`
		Auth   *postmanAuth      `json:"auth,omitempty"`
		Header []postmanVariable `json:"header"`
		Body   *postmanBody      `json:"body,omitempty"`
		URL    postmanURL        `json:"url"`
	}
	postmanBody struct {
		Mode string `json:"mode"`
		Raw  string `json:"raw"`
	}
	postmanURL struct {
		Raw      string            `json:"raw"`
		Host     []string          `json:"host"`
		Path     []string          `json:"path"`
		Query    []postmanVariable `json:"query,omitempty"`
		Variable []postmanVariable `json:"variable,omitempty"`
	}
	postmanReply struct {
		Name   string            `json:"name"`
		Status string            `json:"status,omitempty"`
		Code   int               `json:"code"`
		Header []postmanVariable `json:"header"`
		Body   string            `json:"body"`
	}
)

const postmanSchema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

var jsonType = postmanVariable{Key: "Content-Type", Value: "application/json"}

// postman is the collection.
func (p Paper) postman(url string) []byte {
	c := postmanCollection{
		Info: postmanInfo{p.Title, p.Description, postmanSchema}, Auth: p.postmanKey(),
		Variable: []postmanVariable{{Key: "base", Value: url}},
	}
	for _, name := range p.postmanSecrets() {
		c.Variable = append(c.Variable, postmanVariable{Key: name, Value: ""})
	}
	for _, o := range p.Operations {
		c.Item = append(c.Item, o.postman())
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic(err) // it has nothing that cannot be encoded
	}
	return append(text, '\n')
}

// postmanSecrets are the variables that whoever uses the collection fills in.
func (p Paper) postmanSecrets() []string {
	if p.basic() {
		return []string{"username", "password"}
	}
	return []string{"key"}
}

// basic reports whether callers carry a name and a secret (RFC 7617).
func (p Paper) basic() bool { return p.Key.Type == "http" && p.Key.Scheme == "basic" }

// postmanKey is how the collection carries the key.
func (p Paper) postmanKey() *postmanAuth {
	if p.basic() {
		return &postmanAuth{Type: "basic", Basic: []postmanVariable{{"username", "{{username}}", "string"}, {"password", "{{password}}", "string"}}}
	}
	if p.Key.Type == "http" {
		return &postmanAuth{Type: "bearer", Bearer: []postmanVariable{{"token", "{{key}}", "string"}}}
	}
	return &postmanAuth{Type: "apikey", APIKey: []postmanVariable{{"key", p.Key.Name, "string"}, {"value", "{{key}}", "string"}, {"in", "header", "string"}}}
}

func (o Operation) postman() postmanItem {
	r := postmanRequest{Method: o.Method(), Header: []postmanVariable{}, URL: o.postmanURL()}
	if o.Open || o.Header != "" {
		r.Auth = &postmanAuth{Type: "noauth"}
	}
	if o.Header != "" {
		r.Header = append(r.Header, postmanVariable{Key: o.Header, Value: "{{key}}"})
	}
	if o.Body != nil {
		text, _ := pretty(o.body())
		r.Header, r.Body = append(r.Header, jsonType), &postmanBody{"raw", text}
	}
	item := postmanItem{Name: o.Summary, Request: r, Response: []postmanReply{}}
	for _, e := range o.Replies {
		text, _ := pretty(e.Body)
		item.Response = append(item.Response, postmanReply{Name: e.When, Code: e.Status, Header: []postmanVariable{jsonType}, Body: text})
	}
	return item
}

func (o Operation) postmanURL() postmanURL {
	path := o.Path()
	u := postmanURL{Host: []string{"{{base}}"}}
	for _, name := range pathNames(path) {
		path = strings.ReplaceAll(path, "{"+name+"}", ":"+name)
		u.Variable = append(u.Variable, postmanVariable{Key: name, Value: ""})
	}
	u.Raw, u.Path = "{{base}}"+path, strings.Split(strings.TrimPrefix(path, "/"), "/")
	if o.Query != nil {
		var pairs []string
		for f := range reflect.TypeOf(o.Query).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			value := f.Tag.Get("sample")
			u.Query, pairs = append(u.Query, postmanVariable{Key: name, Value: value}), append(pairs, name+"="+value)
		}
		u.Raw += "?" + strings.Join(pairs, "&")
	}
	return u
}
