package app_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidings.dev/internal/telemetry"
)

var update = flag.Bool("update", false, "rewrite the tables of the guides that come from the code")

// metric is one that some part of the product declares.
type metric struct{ name, kind, help, labels string }

// declared finds every metric in the source: they are declared where they count, by literal names.
func declared(t *testing.T) (list []metric) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../telemetry/") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if m, ok := declaration(call); ok {
					list = append(list, m)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return list
}

func declaration(call *ast.CallExpr) (m metric, ok bool) {
	kinds := map[string]string{"Counter": "counter", "Gauge": "gauge", "GaugeFunc": "gauge", "Histogram": "histogram"}
	of, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || kinds[of.Sel.Name] == "" || len(call.Args) < 2 {
		return m, false
	}
	var texts []string
	for _, arg := range call.Args {
		if literal, ok := arg.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			texts = append(texts, text)
		}
	}
	if len(texts) < 2 {
		return m, false
	}
	return metric{"tidings_" + texts[0], kinds[of.Sel.Name], texts[1], strings.Join(texts[2:], ", ")}, true
}

func TestEveryMetricIsInTheGuide(t *testing.T) {
	t.Parallel()
	const guide, begin, end = "../../docs/guides/metrics.md", "-update -->\n", "<!-- end -->"
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it says |\n|---|---|---|---|\n")
	for _, m := range declared(t) {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, m.help)
	}
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	have, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatal("the guide has no place for the table")
	}
	if *update {
		put(t, guide, []byte(before+begin+table.String()+end+after))
		return
	}
	if have != table.String() {
		t.Errorf("%s is not what the code declares; go test ./internal/app -run TestEveryMetric -update\n%s", guide, table.String())
	}
}

var metricName = regexp.MustCompile(`\b(tidings|go|process)_[a-z0-9_]+\b`)

// exposed is every name that Prometheus may meet: what is declared, and what a server shows.
func exposed(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range declared(t) {
		names[m.name] = true
		if m.kind == "histogram" {
			names[m.name+"_bucket"], names[m.name+"_sum"], names[m.name+"_count"] = true, true, true
		}
	}
	shown := httptest.NewRecorder()
	telemetry.NewMetrics().Handler().ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, name := range metricName.FindAllString(shown.Body.String(), -1) {
		names[name] = true
	}
	return names
}

func TestAlertsAndBoardUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	names := exposed(t)
	used := 0
	for _, file := range []string{"alerts.yaml", "grafana.json"} {
		for _, expression := range expressions(t, "../../deploy/"+file) {
			found := metricName.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expression, ""), -1)
			for _, name := range found {
				if used++; !names[name] {
					t.Errorf("%s: no server shows %s", file, name)
				}
			}
			if len(found) == 0 && !strings.HasPrefix(expression, "up{") || strings.Count(expression, "(") != strings.Count(expression, ")") {
				t.Errorf("%s: %s is no expression", file, expression)
			}
		}
	}
	if used < 30 {
		t.Errorf("only %d uses of metrics were found", used)
	}
}

// expressions are the queries of a board, or of alert rules.
func expressions(t *testing.T, file string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".json") {
		var board struct {
			Panels []struct{ Targets []struct{ Expr string } }
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatal(err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				list = append(list, target.Expr)
			}
		}
		return list
	}
	for _, rule := range strings.Split(string(text), "- alert: ")[1:] {
		_, expression, _ := strings.Cut(rule, "expr: ")
		expression, _, _ = strings.Cut(expression, "labels:")
		expression = regexp.MustCompile(`(?m)^\s*for: .*$`).ReplaceAllString(strings.TrimPrefix(expression, "|"), "")
		list = append(list, strings.TrimSpace(expression))
		for _, must := range []string{"severity: ", "summary: ", "action: "} {
			if !strings.Contains(rule, must) {
				t.Errorf("an alert has no %s\n%s", must, rule)
			}
		}
	}
	return list
}

func TestPrometheusTakesTheRules(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed")
	}
	if said, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", "../../deploy/alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestAServerShowsHowItIs(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	if shown := pageOf(t, "http://"+s.Where().Admin+"/metrics"); !strings.Contains(shown, "\ntidings_ready 1\n") || !strings.Contains(shown, "\ntidings_disk_free_bytes ") {
		t.Errorf("the metrics are %s", shown)
	}
}

func pageOf(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := new(strings.Builder)
	if err := resp.Write(text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
