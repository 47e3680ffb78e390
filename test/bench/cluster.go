package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tidings.dev/internal/id"
	"tidings.dev/internal/message"
	"tidings.dev/internal/store/storetest"
)

// cluster is a PostgreSQL server of the bench's own, with one database.
type cluster struct {
	*storetest.Cluster
	url string
	pid int // of its first process
}

const databaseName = "large"

// startCluster starts the server of the folder, and makes its database when it is not there.
func startCluster(ctx context.Context, dir string) (*cluster, error) {
	dir = filepath.Join(dir, "cluster")
	_, missing := os.Stat(dir)
	server, err := storetest.StartCluster(dir)
	if err != nil {
		return nil, err
	}
	c := &cluster{Cluster: server, url: server.URL(databaseName)}
	if missing != nil {
		if err := server.Create(ctx, databaseName); err != nil {
			c.stop()
			return nil, err
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	c.pid, err = strconv.Atoi(string(first))
	return c, err
}

func (c *cluster) stop() { _ = c.Stop() }

// months are the statements that make the pieces of the tables that the product would have made as the months began.
func months(from, to time.Time) (statements []string) {
	month := time.Date(from.UTC().Year(), from.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for ; !month.After(to); month = month.AddDate(0, 1, 0) {
		for _, table := range []string{"message", "part", "event"} {
			statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s PARTITION OF %s FOR VALUES FROM (%d) TO (%d)",
				table, month.Format("_2006_01"), table, startOf(month), startOf(month.AddDate(0, 1, 0))))
		}
	}
	return statements
}

// startOf is the first key of a moment.
func startOf(t time.Time) int64 { return int64(id.At[message.Message](t)) }
