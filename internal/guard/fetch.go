package guard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"tidings.dev/internal/fault"
)

const maxRedirects = 5

// Fetch asks for the file at an address, and at those that it leads on to: each must be one that may be called. Its error is a fault
// where it is of no use to try again. Whoever asks closes the body.
func (c *Client) Fetch(ctx context.Context, address string) (*http.Response, error) {
	for range maxRedirects + 1 {
		if err := c.look(ctx, address); err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, fault.New(fault.URLNotAllowed, "it is no address")
		}
		req.Header.Set("User-Agent", "Tidings")
		resp, err := c.Do(req)
		if err != nil {
			return nil, fmt.Errorf("get the file: %s", Explain(err)) // without the address, which may hold a secret
		}
		next, err := onward(req.URL, resp)
		switch {
		case err != nil:
			return nil, err
		case next != "":
			address = next
		case resp.StatusCode != http.StatusOK:
			_ = resp.Body.Close()
			return nil, refused(resp.StatusCode)
		default:
			return resp, nil
		}
	}
	return nil, fault.New(fault.MediaUnavailable, "the address leads on more than %d times", maxRedirects)
}

// onward is where a redirect leads; empty for an answer that is none.
func onward(from *url.URL, resp *http.Response) (string, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", nil
	}
	_ = resp.Body.Close()
	to, err := from.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return "", fault.New(fault.MediaUnavailable, "the address leads nowhere")
	}
	return to.String(), nil
}

// refused is the error of an answer that is not the file. Some of them are of the moment.
func refused(status int) error {
	switch {
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return fmt.Errorf("the server of the file answered %d", status)
	default:
		return fault.New(fault.MediaUnavailable, "the server of the file answered %d", status)
	}
}
