package event

// The statements whose plans are tested.
const (
	FeedQuery   = feed
	FeedOfQuery = feedOf
)
