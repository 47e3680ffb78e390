package clicksend //nolint:testpackage // the form is no one else's

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMomentsAlwaysHaveMilliseconds(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: `"2027-01-15T08:00:00.000Z"`, 120: `"2027-01-15T08:00:00.120Z"`, 7: `"2027-01-15T08:00:00.007Z"`} {
		if got, err := json.Marshal(moment{time.UnixMilli(1_800_000_000_000 + ms)}); err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
}
