package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
	for _, name := range []string{productLog, databaseFile} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		for what, secret := range secrets {
			if secret != "" && bytes.Contains(content, []byte(secret)) {
				leaks = append(leaks, fmt.Sprintf("%s is in %s", what, name))
			}
		}
		if name != productLog {
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
