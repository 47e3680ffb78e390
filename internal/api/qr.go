package api

import (
	"fmt"

	"rsc.io/qr"
)

// QRCode is a text as a QR code, a PNG.
func QRCode(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return code.PNG(), nil
}
