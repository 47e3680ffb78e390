package product

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// linkTime is how long linking may take: on a machine that is busy with hundreds of others, some seconds.
const linkTime = 30 * time.Second

// CreateDevice makes a device without a pace and returns its id.
func (c *Client) CreateDevice(ctx context.Context, name string) (string, error) {
	var out made
	err := c.Post(ctx, "/tidings/v1/devices", map[string]any{"name": name, "pace": map[string]any{"every": "0s", "daily": 0}}, &out)
	return out.ID, err
}

// PairingCode asks for the device to be linked and returns the text of its first QR code.
func (c *Client) PairingCode(ctx context.Context, device string) (string, error) {
	var shown struct {
		State string `json:"state"`
		QR    string `json:"qr"`
	}
	err := c.Post(ctx, "/tidings/v1/devices/"+device+"/pair", struct{}{}, &shown)
	for end := time.Now().Add(linkTime); err == nil && shown.QR == ""; err = c.Get(ctx, "/tidings/v1/devices/"+device+"/qr", &shown) {
		if time.Now().After(end) {
			return "", fmt.Errorf("device %s shows no code; its pairing is %s", device, shown.State)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return shown.QR, err
}

// AwaitDevice waits until the device is linked and connected.
func (c *Client) AwaitDevice(ctx context.Context, device string) error {
	for end := time.Now().Add(linkTime); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		var shown struct {
			Linked bool `json:"linked"`
			State  struct {
				Phase string `json:"phase"`
			} `json:"state"`
		}
		if err := c.Get(ctx, "/tidings/v1/devices/"+device, &shown); err != nil {
			return err
		}
		if shown.Linked && shown.State.Phase == "up" {
			return nil
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("device %s is not connected after %s", device, linkTime))
}

// SendBy sends a text by a device. It must be accepted.
func (c *Client) SendBy(ctx context.Context, device, to, text string) error {
	return c.Post(ctx, "/tidings/v1/messages", map[string]any{"kind": "whatsapp", "channel": device, "to": to, "text": text}, nil)
}
