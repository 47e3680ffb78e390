package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// TestFoldHidesAllNames folds what sqlc wrote for a small package; the golden file shows what a keeper gets.
func TestFoldHidesAllNames(t *testing.T) {
	got, err := fold(filepath.Join("testdata", "wallet"), "wallet")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "wallet.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the folded file is not as testdata/wallet.golden (-update rewrites it):\n%s", got)
	}
}

// TestFoldRefusesGuesses changes one type to the int32 that sqlc takes when it knows none.
func TestFoldRefusesGuesses(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "wallet"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "queries.sql.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	guessed := strings.Replace(string(text), "LeftOver  int64", "LeftOver  int32", 1)
	if err := os.WriteFile(file, []byte(guessed), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fold(dir, "wallet"); err == nil || !strings.Contains(err.Error(), "PoorestRow") {
		t.Errorf("fold says %v, want an error that names PoorestRow", err)
	}
}

func TestCheckFindsDrift(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "internal", "wallet")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, resultFile), []byte("package wallet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(root, "sqlc", true, nil); err == nil {
		t.Error("a generated file without its queries passes the check")
	}
}
