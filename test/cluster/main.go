// Command cluster runs a command with a PostgreSQL server of its own beside it, for tests that run on both engines.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"tidings.dev/internal/store/storetest"
)

func main() {
	dir := flag.String("dir", "", "folder for the server, which is kept; empty: one that is removed at the end")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() == 0 {
		usage()
		os.Exit(2)
	}
	code, err := run(*dir, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
	}
	os.Exit(code)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: cluster [-dir DIR] COMMAND [ARG...]")
	flag.PrintDefaults()
}

// run runs the command beside a server, and returns its exit code.
func run(dir string, command []string) (code int, err error) {
	signals := make(chan os.Signal, 8) // from here on they end the command, and its end ends us
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if dir == "" {
		if dir, err = storetest.Folder(); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	server, err := storetest.StartCluster(dir, "autovacuum=off") // statistics that come in the middle of a test make other plans
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	return beside(server, command, signals)
}

func beside(server *storetest.Cluster, command []string, signals <-chan os.Signal) (code int, err error) {
	c := exec.Command(command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), storetest.Engine+"=postgres", storetest.Server+"="+server.URL("postgres"))
	if err := c.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			return codeOf(c, err)
		case s := <-signals:
			_ = c.Process.Signal(s)
		}
	}
}

// codeOf is what a shell would say of how the command ended.
func codeOf(c *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return c.ProcessState.ExitCode(), nil
}
