package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestHoldsNoSimulator looks at everything that the product is built of: what plays a network would be code that deceives customers,
// and the simulated WhatsApp makes a process trust it instead of WhatsApp.
func TestHoldsNoSimulator(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("the product is built of %d packages only: the test looks in the wrong place", len(packages))
	}
	for _, name := range packages {
		if strings.Contains(name, "/simulator") {
			t.Errorf("the product links %s", name)
		}
	}
}
