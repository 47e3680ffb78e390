package whatsapp

import (
	"fmt"
	"strings"
	"testing"
)

// TestImpossibleIDsAreLeftOut: a receipt names as many ids as its sender likes, of any length.
func TestImpossibleIDsAreLeftOut(t *testing.T) {
	if got := possible([]string{"3EB0A1", "", strings.Repeat("A", 201), "3EB0A2"}); fmt.Sprint(got) != "[3EB0A1 3EB0A2]" {
		t.Errorf("%q", got)
	}
}
