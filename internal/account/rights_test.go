package account_test

import (
	"testing"

	"tidings.dev/internal/account"
	"tidings.dev/internal/fault"
)

func TestEachRightIsDeniedByItself(t *testing.T) {
	t.Parallel()
	for _, r := range account.AllRights {
		a := account.Account{}
		a.Denied = a.Denied.With(r, true)
		for _, other := range account.AllRights {
			if err := a.Need(other); fault.Is(err, fault.ScopeMissing) != (other == r) {
				t.Errorf("without %s, %s: %v", r, other, err)
			}
		}
		if back := a.Denied.With(r, false); back != 0 {
			t.Errorf("%s given back leaves %b", r, back)
		}
	}
	if d := account.Denied(0).With("flying", true); d != 0 || d.Has("flying") {
		t.Errorf("what is no right became %b", d)
	}
}
