package store

import (
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// logPages is how many pages the log takes before they are written into the database; logAgain, how many more until a look
// whether it has started over, which it has not while somebody reads it.
const (
	logPages = 4000
	logAgain = logPages / 16
)

// tidy writes the log into the database when it has grown. It runs between groups, so that no caller waits for it inside
// a commit; and unlike SQLite's own checkpoints it sees when a sync fails, after which the disk cannot be trusted.
func (c *sqliteConn) tidy() error {
	c.logged += c.handle.written()
	if c.logged < logPages {
		return nil
	}
	pages, err := c.handle.checkpoint()
	if err != nil {
		return fmt.Errorf("write the log into the database: %w", err)
	}
	c.logged = min(pages, logPages-logAgain)
	return nil
}

// written is how many pages went to disk since it was last asked.
func (h *handle) written() int {
	out := h.tls.Alloc(8)
	defer h.tls.Free(8)
	if sqlite3.Xsqlite3_db_status(h.tls, h.db, sqlite3.SQLITE_DBSTATUS_CACHE_WRITE, out, out+4, 1) != sqlite3.SQLITE_OK {
		return 1
	}
	return int(*at[int32](out))
}

// checkpoint writes into the database what no reader holds back, and tells how many pages the log has. When that was all of
// them and nobody reads the log, the next transaction starts it over.
func (h *handle) checkpoint() (pages int, err error) {
	out := h.tls.Alloc(8)
	defer h.tls.Free(8)
	rc := sqlite3.Xsqlite3_wal_checkpoint_v2(h.tls, h.db, 0, sqlite3.SQLITE_CHECKPOINT_PASSIVE, out, out+4)
	if rc != sqlite3.SQLITE_OK && rc&0xff != sqlite3.SQLITE_BUSY {
		return 0, h.err(rc)
	}
	return int(*at[int32](out)), nil
}
