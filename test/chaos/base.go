package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"tidings.dev/internal/store/storetest"
)

// The engines that the product can keep its database in.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

const (
	clusterFolder = "cluster" // of a PostgreSQL server of the run's own, in the run's folder
	databaseName  = "chaos"   // in it
)

// Base is where the product keeps its database in a run: a file in its data folder, or a PostgreSQL server.
type Base struct {
	file    string // on SQLite
	cluster *storetest.Cluster
}

// newBase starts what the engine needs in the run's folder. The file is the one that the product will make.
func newBase(ctx context.Context, engine, dir, file string) (*Base, error) {
	switch engine {
	case sqlite:
		return &Base{file: file}, nil
	case postgres:
	default:
		return nil, fmt.Errorf("the engine can be %s or %s", sqlite, postgres)
	}
	if err := os.Chmod(dir, 0o711); err != nil { // whoever runs the server must get to its folder
		return nil, err
	}
	cluster, err := storetest.StartCluster(filepath.Join(dir, clusterFolder))
	if err != nil {
		return nil, err
	}
	return &Base{cluster: cluster}, cluster.Create(ctx, databaseName)
}

// oldBase is the database that a run left in its folder; nil when there is none.
func oldBase(dir string) (*Base, error) {
	file := filepath.Join(dir, databaseFile)
	if _, err := os.Stat(file); err == nil {
		return &Base{file: file}, nil
	}
	cluster := filepath.Join(dir, clusterFolder)
	if _, err := os.Stat(cluster); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	server, err := storetest.StartCluster(cluster)
	return &Base{cluster: server}, err
}

// setting is the product's environment for it.
func (b *Base) setting() []string {
	if b.cluster == nil {
		return nil
	}
	return []string{"TIDINGS_DATABASE=" + b.cluster.URL(databaseName)}
}

// open connects beside the product.
func (b *Base) open() (*sql.DB, error) { return b.connect("?mode=ro&_pragma=busy_timeout(5000)") }

// connect opens the database; how says what SQLite is to know.
func (b *Base) connect(how string) (*sql.DB, error) {
	if b.cluster != nil {
		return sql.Open("pgx", b.cluster.URL(databaseName))
	}
	return sql.Open("sqlite", "file:"+b.file+how)
}

// keep leaves the database in the run's folder, where a check finds it.
func (b *Base) keep(dir string) error {
	if b.cluster != nil {
		return nil // it is there
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(b.file+suffix, filepath.Join(dir, databaseFile+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// grace is how long after a database's start no server is taken for dead, since none has had the time to come back: nothing
// can be learned then about how soon others take over.
func (b *Base) grace() time.Duration {
	if b.cluster == nil {
		return 0
	}
	return 5 * time.Second
}

func (b *Base) close() error {
	if b.cluster == nil {
		return nil
	}
	return b.cluster.Stop()
}
