package contact

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"tidings.dev/internal/fault"
	"tidings.dev/internal/message"
)

// Details are attributes that mean the same to every surface and in every file: one line of text each.
const (
	FirstName    = "first_name"
	LastName     = "last_name"
	Custom1      = "custom_1"
	Custom2      = "custom_2"
	Custom3      = "custom_3"
	Custom4      = "custom_4"
	FaxNumber    = "fax_number"
	Organization = "organization_name"
	AddressLine1 = "address_line_1"
	AddressLine2 = "address_line_2"
	City         = "address_city"
	State        = "address_state"
	PostalCode   = "address_postal_code"
	Country      = "address_country"
)

// Details are the names of all details.
var Details = []string{
	FirstName, LastName, Custom1, Custom2, Custom3, Custom4, FaxNumber, Organization, AddressLine1, AddressLine2, City, State, PostalCode, Country,
}

// Details are what is known of a contact's details. Its first and last name are those that make up its name; without them the first
// one is the whole name.
func (c *Contact) Details() map[string]string {
	known := map[string]string{}
	if len(c.Attributes) > 0 {
		var all map[string]any
		_ = json.Unmarshal(c.Attributes, &all) // it was written as an object
		for _, name := range Details {
			if text, ok := all[name].(string); ok && text != "" {
				known[name] = text
			}
		}
	}
	if join(known[FirstName], known[LastName]) != c.Name {
		delete(known, LastName)
		if known[FirstName] = c.Name; c.Name == "" {
			delete(known, FirstName)
		}
	}
	return known
}

// join is the name that two parts make.
func join(first, last string) string { return strings.TrimSpace(first + " " + last) }

// checkDetails refuses a detail that is not one line of text.
func (e *Edit) checkDetails() error {
	for _, name := range Details {
		value, given := e.Attributes[name]
		if !given || isNull(value) {
			continue
		}
		var text string
		if json.Unmarshal(value, &text) != nil || utf8.RuneCountInString(text) > maxName || strings.ContainsAny(text, "\r\n") {
			return fault.New(fault.InvalidField, "%s is one line of at most %d characters", name, maxName).In("attributes." + name)
		}
	}
	return nil
}

// fax is the fax number that the edit gives.
func (e *Edit) fax() string {
	var text string
	_ = json.Unmarshal(e.Attributes[FaxNumber], &text) // checked before; empty without one
	return text
}

func isNull(value json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(value), []byte("null")) }

// parts keeps a name and its two parts alike, whichever of them the edit gives: its attributes as they must be to that end, and the name.
func (e *Edit) parts(c *Contact) (attributes map[string]json.RawMessage, name string, err error) {
	_, first := e.Attributes[FirstName]
	_, last := e.Attributes[LastName]
	changed := map[string]json.RawMessage{}
	for key, value := range e.Attributes {
		changed[key] = value
	}
	switch {
	case e.Name != nil && !first && !last:
		if name = *e.Name; name != c.Name {
			changed[FirstName], changed[LastName] = json.RawMessage("null"), json.RawMessage("null")
		}
	case e.Name != nil:
		name = *e.Name
	case first || last:
		known := c.Details()
		for _, part := range []string{FirstName, LastName} {
			var text string
			if value, given := e.Attributes[part]; given {
				_ = json.Unmarshal(value, &text) // checked before; null is empty
				known[part] = strings.TrimSpace(text)
			}
			if changed[part] = json.RawMessage("null"); known[part] != "" {
				changed[part] = json.RawMessage(encode(known[part]))
			}
		}
		if name = join(known[FirstName], known[LastName]); utf8.RuneCountInString(name) > maxName {
			return nil, "", fault.New(fault.InvalidField, "first and last name have at most %d characters together", maxName).In("attributes." + LastName)
		}
	default:
		name = c.Name
	}
	return changed, name, nil
}

// field is what a contact says in a field that is compared.
func (c *Contact) field(name string, details map[string]string) string {
	switch name {
	case "name":
		return c.Name
	case "email":
		return c.Email
	case "phone":
		return c.Address(message.Phone).Value
	}
	return details[name]
}

// compares tells whether members of a list can be compared by a field.
func compares(field string) bool {
	return slices.Contains([]string{"name", "email", "phone"}, field) || slices.Contains(Details, field)
}
