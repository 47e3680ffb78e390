package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"tidings.dev/internal/fault"
)

func TestEveryCodeIsExplained(t *testing.T) {
	for code, page := range fault.Codes() {
		if page.Title == "" || page.Cause == "" || page.Cure == "" {
			t.Errorf("%s has no whole page", code)
		}
		if page.Kind == fault.Internal && code != fault.InternalError {
			t.Errorf("%s has no kind", code)
		}
	}
}

func TestWrappedFaultIsFound(t *testing.T) {
	err := fmt.Errorf("submit: %w", fault.New(fault.NotHere, "message %d", 7).In("id"))
	if !fault.Is(err, fault.NotHere) || fault.Of(err).Field != "id" || fault.Of(err).Kind() != fault.NotFound {
		t.Errorf("lost the fault in %v", err)
	}
	if fault.Of(errors.New("disk")) != nil {
		t.Error("an internal error became a fault")
	}
}
