package app_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidings.dev/internal/config"
)

// logged finds every line that the product may log, with its level and the names beside it.
func logged(t *testing.T) (rows []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "simulator/") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if row := lineOf(call); row != "" {
					rows = append(rows, row)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// lineOf is a call of a logger as a row of the table: its level, its words, its names.
func lineOf(call *ast.CallExpr) string {
	levels := map[string]string{"Info": "info", "Warn": "warn", "Error": "error", "Debug": "debug"}
	of, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	level := levels[strings.TrimSuffix(of.Sel.Name, "Context")]
	var texts []string
	for _, arg := range call.Args {
		literal, ok := arg.(*ast.BasicLit)
		if ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			texts = append(texts, text)
		}
	}
	from := ""
	switch x := of.X.(type) {
	case *ast.SelectorExpr:
		from = x.Sel.Name
	case *ast.Ident:
		from = x.Name
	}
	if level == "" || len(texts) == 0 || !strings.EqualFold(from, "log") {
		return ""
	}
	names := ""
	if len(texts) > 1 {
		names = "`" + strings.Join(texts[1:], "` `") + "`"
	}
	return fmt.Sprintf("| %s | %s | %s |\n", level, texts[0], names)
}

// holds compares a part of a guide with what the code says, or writes it.
func holds(t *testing.T, guide, want string) {
	t.Helper()
	const begin, end = "-update -->\n", "<!-- end -->"
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	have, after, found := strings.Cut(rest, end)
	switch {
	case !found:
		t.Fatalf("%s has no place for its table", guide)
	case *update:
		put(t, guide, []byte(before+begin+want+end+after))
	case have != want:
		t.Errorf("%s is not what the code says; go test ./internal/app -run %s -update", guide, t.Name())
	}
}

func TestEveryLogLineIsInTheGuide(t *testing.T) {
	t.Parallel()
	rows := logged(t)
	if len(rows) < 30 {
		t.Errorf("only %d lines found", len(rows))
	}
	holds(t, "../../docs/guides/logs.md", "| level | line | with |\n|---|---|---|\n"+strings.Join(rows, ""))
}

func TestEverySettingIsInTheGuide(t *testing.T) {
	t.Parallel()
	holds(t, "../../docs/guides/settings.md", "```toml\n"+config.Sample()+"```\n")
}
