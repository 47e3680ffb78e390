//go:build bug_ack_before_commit

package gateway

import "time"

// commitReceipt is a planted bug: the network forgets the receipt before it is on disk. The chaos run must catch it.
func (g *Gateway) commitReceipt(n *news) error {
	time.AfterFunc(50*time.Millisecond, func() { _ = g.receipts.Do(n, 1) })
	return nil
}
