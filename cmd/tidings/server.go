package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

	"tidings.dev/internal/app"
	"tidings.dev/internal/config"
	"tidings.dev/internal/store"
	"tidings.dev/internal/telemetry"
)

type serveCommand struct{}

// Run runs the server. A SIGHUP has it take a new certificate, and the log level that the settings say now.
func (serveCommand) Run(s *session) error {
	level := new(slog.LevelVar)
	level.Set(s.cfg.Log.Level)
	log := telemetry.NewLogger(os.Stderr, s.cfg.Log.Format, level)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return app.Serve(s.ctx, s.cfg, log, s.out, func(running *app.Server) {
		go s.onHangup(hangup, func() { running.Reload(func() { s.relevel(level, log) }) })
	}, networks()...)
}

// onHangup does something at each signal until the program ends.
func (s *session) onHangup(signals <-chan os.Signal, do func()) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-signals:
			do()
		}
	}
}

// relevel reads the log level again. Settings with mistakes change nothing.
func (s *session) relevel(level *slog.LevelVar, log *slog.Logger) {
	fresh, err := s.all.settings(s.env)
	if err != nil {
		log.Error("these settings make no sense, nothing was changed", "err", err)
		return
	}
	level.Set(fresh.Log.Level)
	log.Info("settings read again", "level", fresh.Log.Level)
}

type checkCommand struct {
	Sample bool `help:"Print a settings file with every setting at its default."`
}

// Run shows the settings; that they could be read says that they make sense.
func (c checkCommand) Run(s *session) error {
	if c.Sample {
		_, err := fmt.Fprint(s.out, config.Sample())
		return err
	}
	shown := s.cfg.Settings()
	if s.all.JSON {
		return s.print(shown, "")
	}
	for _, one := range shown {
		say(s.out, "%-36s %v\n", one.Key, one.Value)
	}
	return nil
}

type masterkeyCommand struct {
	New    masterkeyNew    `cmd:"" help:"Print a fresh master key, for a new server."`
	Rotate masterkeyRotate `cmd:"" help:"Put a new key first in the data folder's master.key. Secrets of before still open."`
}

type masterkeyNew struct{}

// Run prints a key.
func (masterkeyNew) Run(s *session) error {
	key, err := store.NewMasterKey()
	if err != nil {
		return err
	}
	return s.print(map[string]string{"master_key": key}, "%s\n", key)
}

type masterkeyRotate struct{}

// Run rotates the key file.
func (masterkeyRotate) Run(s *session) error {
	path := filepath.Join(s.cfg.DataDir, "master.key")
	if err := store.RotateMasterKeyFile(path); err != nil {
		return err
	}
	return s.print(map[string]string{"file": path}, "%s has a new first key. Restart the server, and keep a copy of the file apart from the backups.\n", path)
}

type versionCommand struct{}

// Run prints the version, what it was built from and with.
func (versionCommand) Run(s *session) error {
	made := map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				made["commit"] = setting.Value
			}
		}
	}
	return s.print(made, "tidings %s (%s, %s, commit %s)\n", version, made["go"], made["platform"], cmp.Or(made["commit"], "unknown"))
}
