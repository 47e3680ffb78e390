package main

import (
	"context"
	"fmt"
	"time"
)

// engine is what a server keeps its data in.
type engine string

const (
	sqlite   engine = ""
	postgres engine = "postgres"
)

// suffix tells figures of the engines apart.
func (e engine) suffix() string {
	if e == postgres {
		return ", PostgreSQL"
	}
	return ""
}

// postgres is the bench's own PostgreSQL, on the disk where SQLite's files are too.
func (b *Bench) postgres(ctx context.Context) (*cluster, error) {
	if b.cluster != nil {
		return b.cluster, nil
	}
	c, err := startCluster(ctx, b.Dir)
	b.cluster = c
	return c, err
}

// servedBy is the CPU that PostgreSQL's processes have used; nothing for SQLite, which has none.
func (b *Bench) servedBy(e engine) (time.Duration, error) {
	if e != postgres {
		return 0, nil
	}
	return cpuOfFamily(b.cluster.pid)
}

// database is a fresh database.
func (b *Bench) database(ctx context.Context) (url string, err error) {
	c, err := b.postgres(ctx)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("bench_%d", b.installs)
	return c.URL(name), c.Create(ctx, name)
}
