package privacy

import (
	"context"

	"tidings.dev/internal/issue"
	"tidings.dev/internal/link"
	"tidings.dev/internal/message"
	"tidings.dev/internal/template"
)

// The lines of what an account has written down, and of the short links in its messages.
type (
	linkLine struct {
		URL    string `json:"url"`
		Target string `json:"target"`
		Clicks int64  `json:"clicks"`
		First  string `json:"first_click_at,omitempty"`
		Last   string `json:"last_click_at,omitempty"`
	}
	templateLine struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Number    int    `json:"number"`
		Name      string `json:"name"`
		Body      string `json:"body"`
		UpdatedAt string `json:"updated_at"`
	}
	issueLine struct {
		Type        string `json:"type"`
		ID          string `json:"id"`
		Number      int    `json:"number"`
		Message     string `json:"message,omitempty"`
		Kind        string `json:"kind"`
		Description string `json:"description"`
		Comments    string `json:"comments,omitempty"`
		Email       string `json:"email,omitempty"`
		Support     string `json:"support_comments,omitempty"`
		At          string `json:"at"`
		ResolvedAt  string `json:"resolved_at,omitempty"`
	}
)

// linksOf are the short links in a message that went out.
func (p *Privacy) linksOf(ctx context.Context, m *message.Message) (lines []linkLine, err error) {
	if m.Direction != message.Out {
		return nil, nil
	}
	list, err := p.Gateway.ShortLinks.Of(ctx, m.Account, m.ID, 0, link.Most)
	if err != nil {
		return nil, err
	}
	for _, l := range list {
		lines = append(lines, linkLine{p.Gateway.ShortLinks.URL(l.Code), l.Target, l.Clicks, stamp(l.First), stamp(l.Last)})
	}
	return lines, nil
}

func (p *Privacy) templates(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Templates.List(ctx, e.Account, template.ID(after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, t := range list {
		lines = append(lines, templateLine{"template", t.ID.String(), t.Number, t.Name, t.Body, stamp(t.Updated)})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}

func (p *Privacy) issues(ctx context.Context, e Export, after int64) (lines []any, next int64, err error) {
	if e.Address.Value != "" {
		return nil, 0, nil
	}
	list, err := p.Issues.List(ctx, issue.Filter{Account: e.Account}, issue.ID(after), page)
	if err != nil {
		return nil, 0, err
	}
	for _, i := range list {
		lines = append(lines, issueLine{
			"issue", i.ID.String(), i.Number, i.Message.String(), i.Kind, i.Description, i.Comments, i.Email, i.Support, stamp(i.ID.Time()), stamp(i.Resolved),
		})
	}
	if len(list) == page {
		next = int64(list[page-1].ID)
	}
	return lines, next, nil
}
