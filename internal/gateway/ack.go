//go:build !bug_ack_before_commit

package gateway

// commitReceipt returns once the receipt is on disk.
func (g *Gateway) commitReceipt(n *news) error { return g.receipts.Do(n, 1) }
