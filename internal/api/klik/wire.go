package klik

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
)

// health is how the server is.
type health struct {
	Status   bool     `json:"status" doc:"The status of this API (true or false)."`
	Services []string `json:"services,omitempty" doc:"What fails: database, disk or workers."`
}

// authRequest asks for a token.
type authRequest struct {
	Email       api.Text `json:"email" doc:"The user's email."`
	Name        api.Text `json:"name,omitempty" doc:"The user's full name."`
	CreatedFrom api.Text `json:"created_from,omitempty" doc:"Source identifier for where the user was created from."`
}

// messageRequest asks for a text, an image, or an image with a text to be sent.
type messageRequest struct {
	Mobile  api.Text `json:"mobile" doc:"The mobile number to send message with country code."`
	Message api.Text `json:"message,omitempty" doc:"The message string."`
	Image   api.Text `json:"image,omitempty" doc:"The image should be base64 string without mime prefix."`
}

// fileRequest asks for a file to be sent.
type fileRequest struct {
	Mobile   api.Text `json:"mobile" doc:"The mobile number to send message with country code."`
	File     api.Text `json:"file" doc:"The file should be base64 string without mime prefix."`
	Filename api.Text `json:"filename,omitempty" doc:"What the file is called; not in the original API."`
}

type signedIn struct {
	Success bool         `json:"success"`
	Data    signedInUser `json:"data"`
	Message *string      `json:"message"`
}

type signedInUser struct {
	Token string `json:"token"`
	User  user   `json:"user"`
}

type user struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Email       string `json:"email"`
	CreatedFrom string `json:"created_from"`
}

// sent says that a message was taken.
type sent struct {
	Success bool    `json:"success"`
	Data    *string `json:"data"`
	Message string  `json:"message"`
}

// failure says why something was not done.
type failure struct {
	Success bool     `json:"success"`
	Errors  []string `json:"errors" nullable:"false"`
	Message string   `json:"message"`
}

func failed(text string, errors ...string) failure {
	if errors == nil {
		errors = []string{}
	}
	return failure{Errors: errors, Message: text}
}

// throttled is said to who asks too often.
type throttled struct {
	Message string `json:"message"`
}

type status struct {
	Success bool       `json:"success"`
	Data    statusData `json:"data"`
	Message *string    `json:"message"`
}

type statusData struct {
	Connected bool    `json:"is_connected"`
	Session   *device `json:"session"`
	User      person  `json:"user"`
}

// TransformSchema implements huma.SchemaTransformer: while the device is not connected there is no session.
func (statusData) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	session := huma.SchemaFromType(r, reflect.TypeFor[device]())
	session.Nullable, session.AdditionalProperties = true, nil
	s.Properties["session"] = session
	return s
}

type device struct {
	UUID   string `json:"uuid"`
	Mobile string `json:"mobile"`
}

type person struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}
