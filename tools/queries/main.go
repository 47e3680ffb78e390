// Command queries turns every internal/<package>/queries.sql into internal/<package>/queries.sql.go.
//
// It runs sqlc for both engines, so that SQL which only one of them takes does not pass, and folds what sqlc wrote into one
// file in which all names are private: a keeper shows its functions, never its tables.
//
//	queries [-check] [-sqlc FILE] [-root DIR] [PACKAGE...]
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"text/template"
)

//go:embed sqlc.yaml.tmpl
var configText string

var config = template.Must(template.New("sqlc.yaml").Parse(configText))

const (
	schemaDir  = "internal/store/migrations"
	queryFile  = "queries.sql"
	resultFile = "queries.sql.go"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail when a committed file differs")
	sqlc := flag.String("sqlc", "sqlc", "the sqlc program")
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(*root, *sqlc, *check, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run generates the named packages, or all. A package that fails does not keep the others from being generated.
func run(root, sqlc string, check bool, names []string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = packages(root); err != nil {
			return err
		}
	}
	failed := make([]error, len(names))
	var running sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if err := generate(root, sqlc, name, check); err != nil {
				failed[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	running.Wait()
	if check {
		failed = append(failed, orphans(root))
	}
	return errors.Join(failed...)
}

// packages lists the packages that have queries.
func packages(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "internal", "*", queryFile))
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(filepath.Dir(file))
	}
	return names, err
}

// orphans fails for generated files whose queries are gone.
func orphans(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "internal", "*", resultFile))
	for _, file := range files {
		if _, statErr := os.Stat(strings.TrimSuffix(file, ".go")); statErr != nil {
			err = errors.Join(err, fmt.Errorf("%s has no %s beside it: remove it", relative(root, file), queryFile))
		}
	}
	return err
}

// generate writes the file of one package, or compares it when check is set.
func generate(root, sqlc, name string, check bool) error {
	dir, err := os.MkdirTemp("", "queries-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := runSQLC(root, sqlc, name, dir); err != nil {
		return err
	}
	text, err := fold(filepath.Join(dir, "postgresql"), name)
	if err != nil {
		return err
	}
	target := filepath.Join(root, "internal", name, resultFile)
	old, err := os.ReadFile(target)
	switch {
	case err == nil && bytes.Equal(old, text):
		return nil
	case check:
		return fmt.Errorf("%s is not what its queries say: run make generate", relative(root, target))
	}
	return os.WriteFile(target, text, 0o644)
}

// runSQLC lets sqlc write Go for both engines into folders of dir. Its complaints name files from the root.
func runSQLC(root, sqlc, name, dir string) error {
	var text bytes.Buffer
	err := config.Execute(&text, map[string]string{
		"Package": name,
		"Schema":  relative(dir, filepath.Join(root, schemaDir)),
		"Queries": relative(dir, filepath.Join(root, "internal", name, queryFile)),
	})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "sqlc.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(sqlc, "generate", "--no-remote", "-f", file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		said := strings.ReplaceAll(string(out), relative(dir, root)+string(filepath.Separator), "")
		return fmt.Errorf("sqlc: %w\n%s", err, said)
	}
	return nil
}

func relative(base, target string) string {
	path, err := filepath.Rel(base, target)
	if err != nil {
		return target
	}
	return path
}
