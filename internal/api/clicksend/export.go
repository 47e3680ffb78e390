package clicksend

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"time"

	"tidings.dev/internal/account"
	"tidings.dev/internal/api"
	"tidings.dev/internal/gateway"
	"tidings.dev/internal/message"
)

const (
	saidFile    = "Download your file here."
	exportPlace = "clicksend/history" // of links
	exportLife  = time.Hour
	exportPage  = 500
	exportName  = "history.csv"
)

type exportQuery struct {
	Filename string `json:"filename" doc:"What the file is called." sample:"history.csv"`
	Query    string `json:"q" doc:"As of the history."`
	Operator string `json:"operator" doc:"AND or OR." sample:"AND"`
	From     string `json:"date_from" doc:"Unix time."`
	To       string `json:"date_to" doc:"Unix time."`
}

type exported struct {
	URL string `json:"url"`
}

// exportHistory answers with a link to the history as a file. Whoever has it needs no credentials, for as long as it lives.
func (s *server) exportHistory(w http.ResponseWriter, r *http.Request) error {
	a, q := api.CallerOf(r).Account, r.URL.Query()
	if _, err := s.newHistory(r.Context(), a, q); err != nil {
		return err
	}
	link, err := api.LinkTo(s.core.Store, exportPlace, a.ID, q.Encode(), exportLife)
	if err != nil {
		return err
	}
	return answer(w, saidFile, exported{s.kit.PublicURL() + "/v3/sms/history/export/" + link})
}

// downloadHistory writes the file of a link while it reads the messages: there may be more than fit in memory.
func (s *server) downloadHistory(w http.ResponseWriter, r *http.Request) error {
	of, what, err := api.OpenLinkTo(s.core.Store, exportPlace, r.PathValue("link"))
	if err != nil {
		return err
	}
	q, err := url.ParseQuery(what)
	if err != nil {
		return fmt.Errorf("read a link of ours: %w", err)
	}
	a, err := s.core.Members.Working(r.Context(), of)
	if err != nil {
		return err
	}
	h, err := s.newHistory(r.Context(), a, q)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(q.Get("filename"))+`"`)
	out := csv.NewWriter(api.Patient{ResponseWriter: w})
	if err := out.Write(headings()); err != nil {
		return err
	}
	for _, one := range h.accounts() {
		if err := h.write(r.Context(), out, one); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// odd is what the name of a file does not have.
var odd = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileName is a name that no program reads otherwise.
func fileName(asked string) string {
	name := strings.Trim(odd.ReplaceAllString(asked, "_"), "._")
	if name = name[:min(len(name), 100)]; name == "" {
		return exportName
	}
	if !strings.HasSuffix(strings.ToLower(name), ".csv") {
		name += ".csv"
	}
	return name
}

// write writes an account's messages that are looked for, oldest first.
func (h *history) write(ctx context.Context, out *csv.Writer, of account.ID) error {
	fits := h.fits()
	after, before := h.span()
	for {
		list, err := h.core.Gateway.After(ctx, of, message.Address{}, after, before, exportPage)
		if err != nil {
			return err
		}
		for i := range list {
			m := &list[i]
			f := gateway.Found{ID: m.ID, Account: m.Account, Direction: m.Direction, Status: m.Status, To: m.To, From: m.From}
			if m.Kind != message.SMS || !fits(&f) {
				continue
			}
			row, err := h.row(ctx, m)
			if err != nil {
				return err
			}
			if err := out.Write(cells(&row)); err != nil {
				return err
			}
		}
		if len(list) < exportPage {
			return nil
		}
		after = list[len(list)-1].ID
	}
}

// headings are the names of a row's fields.
func headings() (names []string) {
	for f := range reflect.TypeFor[historyRow]().Fields() {
		names = append(names, f.Tag.Get("json"))
	}
	return names
}

// cells are a row's fields as texts.
func cells(row *historyRow) (texts []string) {
	for _, v := range reflect.ValueOf(row).Elem().Fields() {
		switch value := v.Interface().(type) {
		case *string:
			if value == nil {
				texts = append(texts, "")
				continue
			}
			texts = append(texts, harmless(*value))
		case string:
			texts = append(texts, harmless(value))
		default:
			texts = append(texts, fmt.Sprint(value))
		}
	}
	return texts
}

// plainNumber is what a spreadsheet reads as one, though it begins like a formula.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9]+$`)

// harmless is a text that no spreadsheet takes for a formula: others wrote the messages.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) && !plainNumber.MatchString(text) {
		return "'" + text
	}
	return text
}
