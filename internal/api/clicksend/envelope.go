package clicksend

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidings.dev/internal/api"
)

// envelope is what every reply comes in.
type envelope[T any] struct {
	Status  int    `json:"http_code"`
	Code    string `json:"response_code"`
	Message string `json:"response_msg"`
	Data    T      `json:"data"`
}

// nothing is the data of a reply that has none: null.
type nothing struct{}

// MarshalJSON implements json.Marshaler.
func (nothing) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Schema implements huma.SchemaProvider.
func (nothing) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true}
}

// failure is the envelope of what was not done.
type failure struct {
	Status  int      `json:"http_code"`
	Code    string   `json:"response_code"`
	Message string   `json:"response_msg"`
	Data    nothing  `json:"data"`
	Details []detail `json:"details,omitempty" nullable:"false"`
}

// detail tells why a request was not let in.
type detail struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// success is the envelope of what was done.
func success[T any](said string, data T) envelope[T] {
	return envelope[T]{http.StatusOK, "SUCCESS", said, data}
}

// answer replies with what was asked for.
func answer[T any](w http.ResponseWriter, said string, data T) error {
	return api.Reply(w, http.StatusOK, success(said, data))
}

// done is an example of a reply for the documents.
func done[T any](said string, data T) api.Example {
	return api.Example{Status: http.StatusOK, When: "success", Body: success(said, data)}
}
