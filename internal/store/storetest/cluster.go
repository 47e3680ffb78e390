package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL server of our own in a folder, reached by a socket there and from nowhere else. It syncs as a
// production server does, since the product refuses one that does not. It is for one goroutine at a time.
type Cluster struct {
	dir     string
	bin     string
	more    []string      // settings, beside those that each has
	command *exec.Cmd     // nil while it does not run
	ended   chan struct{} // closed when the command has
}

// patience is how long a server may take to start or stop, on however busy a machine.
const patience = time.Minute

// maxSocket is the longest path of a socket (unix(7), sun_path), without the zero at its end.
const maxSocket = 107

// StartCluster starts a server in the folder, and makes its databases when there are none. The folder is made when
// missing; its path must be short, and whoever runs the server must be able to reach it: PostgreSQL refuses to run as
// root, so for root it runs as the user postgres, whose the folder becomes. Settings are such as "autovacuum=off".
func StartCluster(dir string, settings ...string) (*Cluster, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("find the cluster's folder: %w", err)
	}
	c := &Cluster{dir: dir, bin: bin, more: settings}
	if len(c.socket()) > maxSocket {
		return nil, fmt.Errorf("%s is too long for a socket; choose a shorter folder", dir)
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	return c, nil
}

// Folder makes a folder for a cluster: in memory where there is plenty, since nobody needs the data after the tests.
func Folder() (string, error) {
	const plenty = 4 << 30
	parent, memory := "", "/dev/shm"
	var st syscall.Statfs_t
	if syscall.Statfs(memory, &st) == nil && int64(st.Bavail)*st.Bsize > plenty {
		parent = memory
	}
	dir, err := os.MkdirTemp(parent, "tidings")
	if err != nil {
		return "", fmt.Errorf("make the cluster's folder: %w", err)
	}
	return dir, nil
}

// findPostgres finds the folder of the server's programs: by PATH, else the newest of Debian's.
func findPostgres() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if bin := filepath.Dir(found); isProgram(filepath.Join(bin, "postgres")) {
			return bin, nil
		}
	}
	newest, best := "", 0.0
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	for _, program := range found {
		bin := filepath.Dir(program)
		version, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(bin)), 64)
		if version >= best && isProgram(filepath.Join(bin, "initdb")) {
			newest, best = bin, version
		}
	}
	if err != nil || newest == "" {
		return "", errors.New("PostgreSQL is not installed; on Debian: apt-get install postgresql")
	}
	return newest, nil
}

func isProgram(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

func (c *Cluster) data() string   { return filepath.Join(c.dir, "data") }
func (c *Cluster) log() string    { return filepath.Join(c.dir, "log") }
func (c *Cluster) socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

// prepare makes the folder, and the databases in it.
func (c *Cluster) prepare() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	if as, err := c.runner(); err != nil {
		return err
	} else if as != nil {
		if err := os.Chown(c.dir, int(as.Uid), int(as.Gid)); err != nil {
			return fmt.Errorf("give the cluster's folder away: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.data(), "PG_VERSION")); err == nil {
		return nil
	}
	// No sync: nothing is lost yet when this is.
	initdb, err := c.program("initdb", "-D", c.data(), "--auth=trust", "--encoding=UTF8", "--no-locale", "-U", "postgres", "--no-sync")
	if err != nil {
		return err
	}
	if said, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, said)
	}
	return nil
}

// runner is the user that the server runs as; nil for who we are.
func (c *Cluster) runner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("find who may run PostgreSQL: %w", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

// program is one of PostgreSQL's, which ends with us and hears no signal that is meant for us.
func (c *Cluster) program(name string, args ...string) (*exec.Cmd, error) {
	as, err := c.runner()
	if err != nil {
		return nil, err
	}
	p := exec.Command(filepath.Join(c.bin, name), args...)
	p.Dir = c.dir
	p.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // none of PostgreSQL's own variables
	p.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	return p, nil
}

// URL is where a database is.
func (c *Cluster) URL(database string) string {
	where := url.Values{"host": {c.dir}, "port": {"5432"}}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: where.Encode()}
	return u.String()
}

// Start starts the server, after Kill or Stop, and waits until it answers.
func (c *Cluster) Start() error {
	log, err := os.OpenFile(c.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the cluster's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own
	args := []string{
		"-D", c.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories=" + c.dir,
		"-c", "port=5432", "-c", "max_connections=300", "-c", "shared_buffers=64MB",
	}
	for _, setting := range c.more {
		args = append(args, "-c", setting)
	}
	server, err := c.program("postgres", args...)
	if err != nil {
		return err
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	c.command, c.ended = server, make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = server.Wait()
	}(c.ended)
	if err := c.answers(); err != nil {
		return errors.Join(err, c.Kill())
	}
	return nil
}

// answers waits until the server does.
func (c *Cluster) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			said, _ := os.ReadFile(c.log())
			return fmt.Errorf("PostgreSQL ended at its start: %s", said[max(0, len(said)-2000):])
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the server in order, without waiting for its clients.
func (c *Cluster) Stop() error {
	if c.command == nil {
		return nil
	}
	_ = c.command.Process.Signal(syscall.SIGINT)
	select {
	case <-c.ended:
		c.command = nil
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("PostgreSQL does not stop"), c.Kill())
	}
}

// Kill ends the server and all its processes at once, as a power cut would. What it had not synced is still in the
// machine's memory, so this tests what a dying process loses, not what a dying disk does.
func (c *Cluster) Kill() error {
	if c.command == nil {
		return nil
	}
	pid := c.command.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it makes no new ones while we look
	children, err := childrenOf(pid)
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = c.command.Process.Kill()
	<-c.ended
	c.command = nil
	return errors.Join(err, awaitDeath(children))
}

// Create makes an empty database.
func (c *Cluster) Create(ctx context.Context, database string) error {
	return run(ctx, c.URL("postgres"), "CREATE DATABASE "+quote(database))
}

// Drop removes a database and whoever is connected to it.
func (c *Cluster) Drop(ctx context.Context, database string) error {
	return run(ctx, c.URL("postgres"), "DROP DATABASE IF EXISTS "+quote(database)+" WITH (FORCE)")
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// run runs one statement on a connection of its own.
func run(ctx context.Context, where, statement string) error {
	conn, err := pgx.Connect(ctx, where)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err != nil {
		err = fmt.Errorf("%s: %w", statement, err)
	}
	return errors.Join(err, conn.Close(ctx))
}
