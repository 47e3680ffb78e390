package message

// Status is what has become of a message, or of one part of one attempt.
type Status int

// The statuses in three phases: waiting with us, handed over to a network, ended with us. The numbers are stored.
const (
	Scheduled Status = 1 // waits for its time
	Held      Status = 2 // waits for a person or a rule
	Queued    Status = 3 // waits for its turn
	Sending   Status = 4 // is being handed over

	Unknown   Status = 10 // handed over or not: nobody can tell
	Sent      Status = 11 // the network took it
	Failed    Status = 12 // the network refused it, could not deliver it, or let it expire
	Delivered Status = 13 // the recipient's device has it
	Read      Status = 14 // the recipient opened it

	Cancelled Status = 20 // taken back before it was handed over
	Expired   Status = 21 // its validity ended while it waited
	Blocked   Status = 22 // the recipient opted out while it waited

	Received Status = 30 // came to us
)

var statusNames = map[Status]string{
	Scheduled: "scheduled", Held: "held", Queued: "queued", Sending: "sending",
	Unknown: "unknown", Sent: "sent", Failed: "failed", Delivered: "delivered", Read: "read",
	Cancelled: "cancelled", Expired: "expired", Blocked: "blocked", Received: "received",
}

// String is the status in the words of the native API.
func (s Status) String() string { return statusNames[s] }

// ParseStatus reads what String wrote.
func ParseStatus(text string) (Status, bool) {
	for s, name := range statusNames {
		if name == text {
			return s, true
		}
	}
	return 0, false
}

// Waiting reports whether the message is still with us and may still go out.
func (s Status) Waiting() bool { return s >= Scheduled && s <= Sending }

// HandedOver reports whether a network has, or may have, the message. Such statuses only rise.
func (s Status) HandedOver() bool { return s >= Unknown && s <= Read }

// Final reports whether nothing more is expected. A failed message may still be corrected by a late delivered.
func (s Status) Final() bool { return s >= Failed && s != Received }

// Rise is the status of a part after news of it: the rank only rises, so that news in any order, repeated or missing,
// give the same end.
func (s Status) Rise(news Status) Status { return max(s, news) }

// Fold is the status of a message of so many parts, given what is known of each part in each attempt.
//
// For each part its newest attempt decides, unless an older one is delivered or read: then that wins. The message is
// failed once a part has finally failed, unknown while a part's outcome is unknown, Sending while parts are missing, and
// else as far as its slowest part.
func Fold(parts []Part, total int) Status {
	newest := make(map[int]Part, total)
	for _, p := range parts {
		have, ok := newest[p.Number]
		if !ok || supersedes(p, have) {
			newest[p.Number] = p
		}
	}
	lowest, failed, unknown := Read, false, false
	for _, p := range newest {
		lowest = min(lowest, p.Status)
		failed = failed || p.Status == Failed
		unknown = unknown || p.Status == Unknown
	}
	switch {
	case failed:
		return Failed
	case unknown:
		return Unknown
	case len(newest) < total:
		return Sending
	default:
		return lowest
	}
}

// supersedes reports whether a decides over b, both of one part.
func supersedes(a, b Part) bool {
	if a.Status >= Delivered || b.Status >= Delivered {
		return a.Status > b.Status
	}
	return a.Attempt > b.Attempt
}
