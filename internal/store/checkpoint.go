package store

import (
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// logPages is how many pages the log takes before they are written into the database.
const logPages = 4000

// tidy writes the log into the database when it has grown. It runs between groups, so that no caller waits for it inside
// a commit; and unlike SQLite's own checkpoints it sees when a sync fails, after which the disk cannot be trusted.
func (c *sqliteConn) tidy() error {
	c.logged += c.handle.written()
	if c.logged < logPages {
		return nil
	}
	c.logged = 0
	if err := c.handle.checkpoint(); err != nil {
		return fmt.Errorf("write the log into the database: %w", err)
	}
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

// checkpoint writes into the database what no reader holds back.
func (h *handle) checkpoint() error {
	if rc := sqlite3.Xsqlite3_wal_checkpoint_v2(h.tls, h.db, 0, sqlite3.SQLITE_CHECKPOINT_PASSIVE, 0, 0); rc != sqlite3.SQLITE_OK && rc&0xff != sqlite3.SQLITE_BUSY {
		return h.err(rc)
	}
	return nil
}
