package whatsapp

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
)

const (
	previewTime = 5 * time.Second
	previewMost = 60 << 10 // bytes of a page: its head is at its start
	previewHops = 3
	previewText = 300 // bytes of a title or description
)

var link = regexp.MustCompile(`https?://[^\s<>"]+`)

// preview is a text that shows what its first link leads to. A page that cannot be read in time costs the preview, never the
// message.
func (s *session) preview(ctx context.Context, text string, info *waE2E.ContextInfo) *waE2E.ExtendedTextMessage {
	m := &waE2E.ExtendedTextMessage{Text: proto.String(text), ContextInfo: info}
	address := strings.TrimRight(link.FindString(text), ".,;:!?)]}'")
	if address == "" || s.env.Web == nil {
		return m
	}
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	title, description := s.page(ctx, address)
	if title == "" {
		return m
	}
	m.MatchedText, m.Title, m.PreviewType = proto.String(address), proto.String(title), waE2E.ExtendedTextMessage_NONE.Enum()
	if description != "" {
		m.Description = proto.String(description)
	}
	return m
}

// page reads the title and the description of a page.
func (s *session) page(ctx context.Context, address string) (title, description string) {
	for range previewHops {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return "", ""
		}
		req.Header.Set("Accept", "text/html")
		resp, err := s.env.Web.Do(req)
		if err != nil {
			return "", ""
		}
		next, err := resp.Location()
		if err != nil {
			title, description = headOf(io.LimitReader(resp.Body, previewMost))
		}
		_ = resp.Body.Close()
		if err != nil {
			return title, description
		}
		address = next.String()
	}
	return "", ""
}

// headOf finds the title and the description, by what pages say for previews if they do.
func headOf(page io.Reader) (title, description string) {
	said := map[string]string{}
	z := html.NewTokenizer(page)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return clipped(said["og:title"], said["title"]), clipped(said["og:description"], said["description"])
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "title" && z.Next() == html.TextToken && said["title"] == "" {
				said["title"] = z.Token().Data
			}
			if t.Data == "meta" {
				name, content := metaOf(t)
				said[name] = content
			}
		}
	}
}

func metaOf(t html.Token) (name, content string) {
	for _, a := range t.Attr {
		switch a.Key {
		case "name", "property":
			name = strings.ToLower(a.Val)
		case "content":
			content = a.Val
		}
	}
	return name, content
}

// clipped is the first that says something, on one line and not too long.
func clipped(texts ...string) string {
	for _, text := range texts {
		text = strings.Join(strings.Fields(text), " ")
		if text != "" {
			return strings.ToValidUTF8(text[:min(len(text), previewText)], "")
		}
	}
	return ""
}
