package product

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// run executes one of the product's commands on the data folder and reads its JSON, if a place for it is given.
func (i *Installation) run(ctx context.Context, into any, args ...string) error {
	if into != nil {
		args = append(args, "--json")
	}
	command := exec.CommandContext(ctx, i.Binary, args...)
	command.Env = i.environment()
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		return fmt.Errorf("tidings %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), problem.String())
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fmt.Errorf("tidings %s: %w in %q", strings.Join(args, " "), err, out.String())
	}
	return nil
}

type made struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

// CreateAccount makes a tenant with credit in micro-units and returns its id.
func (i *Installation) CreateAccount(ctx context.Context, name, region, currency string, credit int64) (string, error) {
	var out made
	err := i.run(ctx, &out, "account", "create", "--name", name, "--region", region, "--currency", currency,
		"--credit", strconv.FormatInt(credit, 10))
	return out.ID, err
}

// CreateKey makes an API key of the account and returns the secret.
func (i *Installation) CreateKey(ctx context.Context, account string) (string, error) {
	var out made
	err := i.run(ctx, &out, "apikey", "create", "--account", account)
	return out.Key, err
}

// CreateMasterKey makes a key for several processes that serve one database.
func (i *Installation) CreateMasterKey(ctx context.Context) (string, error) {
	var out struct {
		Key string `json:"master_key"`
	}
	err := i.run(ctx, &out, "masterkey", "new")
	return out.Key, err
}

// CreateChannel makes a shared channel, the default of its kind, and returns its id. more are further flags of the command.
func (i *Installation) CreateChannel(ctx context.Context, name, driver string, settings map[string]any, more ...string) (string, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return "", err
	}
	file := filepath.Join(i.Dir, name+".channel.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	defer os.Remove(file)
	var out made
	create := []string{"channel", "create", "--shared", "--driver", driver, "--name", name, "--settings", file, "--default"}
	err = i.run(ctx, &out, append(create, more...)...)
	return out.ID, err
}

// SetPrice prices a prefix for all accounts of the currency.
func (i *Installation) SetPrice(ctx context.Context, prefix, currency string, micros int64) error {
	return i.run(ctx, nil, "price", "set", "--prefix", prefix, "--currency", currency, "--micros", strconv.FormatInt(micros, 10))
}

// Trace is what the command trace prints about a message.
func (i *Installation) Trace(ctx context.Context, id string) (string, error) {
	command := exec.CommandContext(ctx, i.Binary, "trace", id)
	command.Env = i.environment()
	out, err := command.CombinedOutput()
	return string(out), err
}

// SMPP are the settings of a channel that binds to the SMSC at the address.
func SMPP(address string, window int, more map[string]any) map[string]any {
	settings := map[string]any{
		"address": address, "system_id": "tidings", "password": "secret", "window": window,
	}
	for name, value := range more {
		settings[name] = value
	}
	return settings
}
