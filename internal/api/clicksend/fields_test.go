package clicksend //nolint:testpackage // the names are no one else's

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestNamesOfFieldsComeInEachShape: the order of columns is that of their places, however many there are.
func TestNamesOfFieldsComeInEachShape(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`["phone","email"]`:         {"phone", "email"},
		`"phone, email"`:            {"phone", "email"},
		`"[\"phone\",\"email\"]"`:   {"phone", "email"},
		`{"2":"email","1":"phone"}`: {"phone", "email"},
		`{"12":"l","11":"k","10":"j","9":"i","8":"h","7":"g","6":"f","5":"e","4":"d","3":"c","2":"b","1":"a"}`: {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"},
		`{"first_name":true,"email":true}`: {"email", "first_name"},
		`null`:                             nil,
		`""`:                               nil,
	} {
		for range 20 { // an object has no order of its own
			var got fieldNames
			if err := json.Unmarshal([]byte(body), &got); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v %v, want %v", body, got, err, want)
				break
			}
		}
	}
	for _, body := range []string{`5`, `true`, `[1]`, `[[]]`} {
		var got fieldNames
		if json.Unmarshal([]byte(body), &got) == nil {
			t.Errorf("%s is %v", body, got)
		}
	}
}
