package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestEveryLinkedModuleIsListed(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "tidings.dev"},
		Deps: []*debug.Module{
			{Path: "example.com/one", Version: "v1.2.3", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v2.0.0+incompatible", Sum: "h1:def="}},
		},
		Settings: []debug.BuildSetting{{Key: "GOARCH", Value: "arm64"}},
	}
	b := describe(info, "v0.1.0")
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	want := "pkg:golang/std@1.26.8 pkg:golang/example.com/one@v1.2.3 pkg:golang/example.com/new@v2.0.0+incompatible"
	if strings.Join(got, " ") != want || len(b.Dependencies[0].On) != 3 || b.Metadata.Component.PURL != "pkg:golang/tidings.dev@v0.1.0" {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAProgramTellsTheSameTwice(t *testing.T) {
	var texts [2]bytes.Buffer
	for i := range texts {
		if err := run(&texts[i], os.Args[0], "v1"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) || !json.Valid(texts[0].Bytes()) {
		t.Error("two descriptions of one program differ, or are no JSON")
	}
}
