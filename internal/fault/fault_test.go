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

func TestAllFindsEveryFault(t *testing.T) {
	a, b, c := fault.New(fault.MissingField, "a"), fault.New(fault.InvalidField, "b"), fault.New(fault.UnknownField, "c")
	all := fault.All(fmt.Errorf("settings: %w", errors.Join(a, errors.Join(b, errors.New("disk")), c)))
	if all.Code != fault.MissingField || len(all.More) != 2 || all.More[0] != b || all.More[1] != c || a.More != nil {
		t.Errorf("found %+v", all)
	}
	if fault.All(errors.New("disk")) != nil || fault.All(nil) != nil {
		t.Error("an internal error became a fault")
	}
}
