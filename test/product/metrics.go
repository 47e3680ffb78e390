package product

import (
	"context"
	"strconv"
	"strings"
)

// Metrics are the server's numbers that have no label, by their names.
func (i *Installation) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := NewClient("http://"+i.Admin, "").text(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	numbers := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(rest, 64); err == nil {
			numbers[name] = value
		}
	}
	return numbers, nil
}
