package contact

import (
	"tidings.dev/internal/id"
)

// ListID is the key of a list.
type ListID = id.Of[List]

// List is a list of contacts.
type List struct {
	ID ListID
}
