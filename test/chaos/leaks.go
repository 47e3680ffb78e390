package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// phone matches a full number of the run's recipients; the product's logs show at most its last digits.
var phone = regexp.MustCompile(`\+?2547\d{8}`)

// findLeaks looks for secrets in the database and in the logs, and for texts and numbers in the logs (C12).
func findLeaks(dir string) (leaks []string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, secretsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil {
		return nil, err
	}
	logs, data := filesOf(dir)
	for _, path := range slices.Concat(logs, data) {
		content, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name, _ := filepath.Rel(dir, path)
		for what, secret := range secrets {
			if secret != "" && bytes.Contains(content, []byte(secret)) {
				leaks = append(leaks, fmt.Sprintf("%s is in %s", what, name))
			}
		}
		if !slices.Contains(logs, path) {
			continue
		}
		if bytes.Contains(content, []byte("Your code is")) {
			leaks = append(leaks, "a message's text is in "+name)
		}
		if found := phone.Find(content); found != nil {
			leaks = append(leaks, fmt.Sprintf("a full phone number is in %s: %s", name, found))
		}
	}
	return leaks, nil
}

// filesOf lists the logs of a run and the files of its database.
func filesOf(dir string) (logs, data []string) {
	cluster := filepath.Join(dir, clusterFolder)
	logs = []string{filepath.Join(cluster, "log")}
	for n := range maxNodes {
		logs = append(logs, filepath.Join(dir, logOf(n)))
	}
	data = []string{filepath.Join(dir, databaseFile)}
	for _, pattern := range []string{"data/base/*/*", "data/pg_wal/*"} {
		found, err := filepath.Glob(filepath.Join(cluster, pattern))
		if err != nil { // the patterns are good
			panic(err)
		}
		data = append(data, slices.DeleteFunc(found, isFolder)...)
	}
	return logs, data
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
