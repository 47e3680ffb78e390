// Package product starts the real binary and talks to it as its operators and customers do: by its commands and its HTTP
// API. Everything that the tests and measurements outside the product know of its flags is in this package.
package product

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Root is the repository's folder, found from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module tidings.dev\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// Build compiles one of the commands (such as "./cmd/tidings") into the file, with the build tags.
func Build(ctx context.Context, command, into string, tags ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	args := []string{"build", "-C", root, "-trimpath", "-tags", strings.Join(tags, ","), "-o", into, command}
	build := exec.CommandContext(ctx, "go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// FreeAddress is a loopback address that nobody listens on at the moment.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Installation is a data folder and how the binary is to serve it.
type Installation struct {
	Binary  string
	Dir     string // the data folder
	Listen  string // host:port
	Admin   string // host:port
	Log     io.Writer
	Hooks   []string // host:port of customers' receivers on loopback, which must be allowed by name
	Setting []string // more environment, as NAME=value
}

// New prepares an installation on free ports. Nothing runs yet.
func New(binary, dir string, log io.Writer) (*Installation, error) {
	listen, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	return &Installation{Binary: binary, Dir: dir, Listen: listen, Admin: admin, Log: log}, os.MkdirAll(dir, 0o700)
}

// URL is where the installation's API is served.
func (i *Installation) URL() string { return "http://" + i.Listen }

// inherited is our own environment without what the product would take for settings: theirs are the installation's alone.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "TIDINGS_") })
}

func (i *Installation) environment() []string {
	env := append(inherited(), "TIDINGS_DATA_DIR="+i.Dir, "TIDINGS_RATE_REQUESTS_PER_MINUTE=0")
	if i.Listen != "" {
		env = append(env, "TIDINGS_LISTEN="+i.Listen, "TIDINGS_ADMIN_LISTEN="+i.Admin)
	}
	if len(i.Hooks) > 0 {
		ports := make([]string, len(i.Hooks))
		for n, hook := range i.Hooks {
			_, ports[n], _ = strings.Cut(hook, ":")
		}
		env = append(env, "TIDINGS_WEBHOOK_ALLOW_PRIVATE_NETWORKS=127.0.0.0/8", "TIDINGS_WEBHOOK_PORTS="+strings.Join(ports, ","))
	}
	return append(env, i.Setting...)
}

// Process is a running server.
type Process struct {
	Started time.Time
	command *exec.Cmd
	done    chan struct{}
	err     error
}

// Start runs the server and returns at once.
func (i *Installation) Start() (*Process, error) {
	command := exec.Command(i.Binary, "serve")
	command.Env = i.environment()
	command.Stdout, command.Stderr = i.Log, i.Log
	p := &Process{Started: time.Now(), command: command, done: make(chan struct{})}
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = command.Wait()
		close(p.done)
	}()
	return p, nil
}

// Ready waits until the server answers its health check.
func (i *Installation) Ready(ctx context.Context, p *Process) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	client := NewClient(i.URL(), "")
	for {
		if status, _, err := client.Do(ctx, "GET", "/tidings/v1/health", nil); err == nil && status == 200 {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the server ended before it was ready: %w", p.Err())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Pid is the server's process id.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Done is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the server ended, once Done is closed.
func (p *Process) Err() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// Freeze has the server do nothing at all, not even die, until Thaw.
func (p *Process) Freeze() error { return p.command.Process.Signal(syscall.SIGSTOP) }

// Thaw has a frozen server go on as if no time had passed.
func (p *Process) Thaw() error { return p.command.Process.Signal(syscall.SIGCONT) }

// Kill ends the server as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.done
}

// Stop asks the server to end in good order, and kills it after the time.
func (p *Process) Stop(within time.Duration) error {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("the server did not end within %s", within)
	}
}
