package storetest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster starts a server of this test's own, or skips where nobody has installed one and nobody asked for one.
func cluster(t *testing.T) *Cluster {
	t.Helper()
	if _, err := findPostgres(); err != nil && !Postgres() {
		t.Skip(err)
	}
	dir, err := Folder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := StartCluster(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, where string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func countNotes(t *testing.T, where string) (n int) {
	t.Helper()
	if err := connect(t, where).QueryRow(t.Context(), "SELECT count(*) FROM note").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAKilledClusterKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	if err := c.Create(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, c.URL("kept"))
	exec1(t, conn, "CREATE TABLE note (n int)")
	for lives := 1; lives <= 3; lives++ {
		conn = connect(t, c.URL("kept"))
		exec1(t, conn, "INSERT INTO note SELECT generate_series(1, 100)")
		exec1(t, conn, "BEGIN")
		exec1(t, conn, "INSERT INTO note VALUES (0)") // nobody said that this is kept
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "COMMIT"); err == nil {
			t.Fatal("a killed server commits")
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if n := countNotes(t, c.URL("kept")); n != 100*lives {
			t.Errorf("in life %d there are %d rows", lives, n)
		}
	}
	if err := c.Drop(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
}

func TestAStoppedClusterStartsAgain(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	connect(t, c.URL("postgres")) // whom it does not wait for
	for range 2 {
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Kill(); err != nil {
		t.Error("what does not run cannot be killed:", err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var synced string
	if err := connect(t, c.URL("postgres")).QueryRow(t.Context(), "SHOW fsync").Scan(&synced); err != nil || synced != "on" {
		t.Error(synced, err)
	}
}

func TestAFolderTooDeepForASocketIsRefused(t *testing.T) {
	t.Parallel()
	_, err := StartCluster("/" + strings.Repeat("d", 100))
	if err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Error(err)
	}
}

func TestACutLinkLetsNothingPass(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	link := NewLink(t, c.URL("postgres"))
	conn := connect(t, link.URL())
	exec1(t, conn, "CREATE TABLE note (n int)")
	exec1(t, conn, "BEGIN")
	exec1(t, conn, "INSERT INTO note VALUES (1)")
	link.Cut()
	if _, err := conn.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("a commit passed a cut link")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := pgx.Connect(ctx, link.URL()); err == nil {
		t.Error("a connection passed a cut link")
	}
	if n := countNotes(t, c.URL("postgres")); n != 0 {
		t.Errorf("by another way there are %d rows", n)
	}
	link.Mend()
	if n := countNotes(t, link.URL()); n != 0 {
		t.Errorf("by the mended link there are %d rows", n)
	}
}
