// Command tidings is the messaging gateway: its server, and the commands of whoever runs it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"tidings.dev/internal/app"
	"tidings.dev/internal/config"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

// version is set when a release is built.
var version = "development"

// commands are all that the program does. Settings given here win over the environment and the file.
type commands struct {
	Config   string            `help:"Settings file (TOML)." type:"path" env:"TIDINGS_CONFIG"`
	DataDir  string            `help:"Data folder." name:"data-dir"`
	Database string            `help:"URL of PostgreSQL, postgres://...; without it SQLite in the data folder. A password is safer in the settings file, since other users see flags."`
	Listen   string            `help:"Address of the API."`
	Set      map[string]string `help:"Any setting, as key=value, such as --set log.level=debug." mapsep:"none"`
	JSON     bool              `help:"Print JSON." name:"json"`

	Serve     serveCommand     `cmd:"" help:"Run the server until it is told to stop."`
	Check     checkCommand     `cmd:"" help:"Say whether the settings make sense, and show them."`
	Doctor    doctorCommand    `cmd:"" help:"Look at settings, disk, database, key, clock, certificate, addresses, channels and backups, and say what to do."`
	Send      sendCommand      `cmd:"" help:"Send one text through a server that runs, and tell what becomes of it."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database to this version, which the server does by itself, or move it to the other engine."`
	Account   accountCommand   `cmd:"" help:"Make and list accounts."`
	Apikey    keyCommand       `cmd:"" help:"Make, list and revoke API keys."`
	Channel   channelCommand   `cmd:"" help:"Make and list channels."`
	Price     priceCommand     `cmd:"" help:"Set and list prices."`
	Wallet    walletCommand    `cmd:"" help:"Top up and show wallets."`
	Masterkey masterkeyCommand `cmd:"" help:"Make and rotate the key that secrets are stored under."`
	Trace     traceCommand     `cmd:"" help:"Tell the journey of one message."`
	Backup    backupCommand    `cmd:"" help:"Copy the database to a file, while the server runs or not."`
	Restore   restoreCommand   `cmd:"" help:"Put a backup in the place of the database of a stopped server; on PostgreSQL into a new one."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

// session is what a command works with.
type session struct {
	ctx context.Context
	out io.Writer
	cfg config.Config
	all *commands
	env []string
	// mistakes are in the settings; only the doctor works without them.
	mistakes error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process: 0 is success, 1 a failure that was printed, 2 a mistake in the call.
func run(ctx context.Context, args, env []string, out, problems io.Writer) int {
	var all commands
	exited := -1
	parser, err := kong.New(&all, kong.Name("tidings"), kong.Description("A messaging gateway of your own: SMS and WhatsApp, every message safe."),
		kong.UsageOnError(), kong.Writers(out, problems), kong.Exit(func(code int) { exited = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		say(problems, "%v\n", err)
		return 2
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return 2
	}
	s := &session{ctx: ctx, out: out, all: &all, env: env}
	if command.Command() != "version" {
		s.cfg, s.mistakes = all.settings(env)
		if s.mistakes != nil && command.Command() != "doctor" {
			say(problems, "These settings make no sense:\n%s\n", s.mistakes)
			return 2
		}
	}
	if err := command.Run(s); err != nil {
		say(problems, "tidings: %v\n", err)
		return 1
	}
	return 0
}

// settings reads the settings of all sources.
func (c *commands) settings(env []string) (config.Config, error) {
	flags := map[string]string{}
	for k, v := range c.Set {
		flags[k] = v
	}
	if c.DataDir != "" {
		flags["data_dir"] = c.DataDir
	}
	if c.Database != "" {
		flags["database"] = c.Database
	}
	if c.Listen != "" {
		flags["listen"] = c.Listen
	}
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool { return strings.HasPrefix(pair, keyVariable+"=") })
	return config.Load(c.Config, env, flags)
}

// core opens the core beside whatever else uses the data folder, and closes it after f.
func (s *session) core(f func(*app.Core) error) (err error) {
	log := telemetry.NewLogger(os.Stderr, s.cfg.Log.Format, s.cfg.Log.Level)
	c, err := app.Open(s.ctx, s.cfg, log, false, nil)
	if err != nil {
		return err
	}
	defer func() {
		if closing := c.Close(); err == nil {
			err = closing
		}
	}()
	return f(c)
}

// database is where the settings say it is.
func (s *session) database() store.Place {
	return store.Place{Dir: s.cfg.DataDir, Database: s.cfg.Database.Reveal()}
}

// print shows a value as JSON if that was asked for, else as the text.
func (s *session) print(value any, format string, args ...any) error {
	if s.all.JSON {
		encoder := json.NewEncoder(s.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	}
	_, err := fmt.Fprintf(s.out, format, args...)
	return err
}

// say writes for a person. Where that fails there is nobody to tell.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
