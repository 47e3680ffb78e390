package store

import (
	"context"
	"time"
	"unsafe"
)

// engine is an open database. What SQLite and PostgreSQL do differently stands behind it; everything else in this package
// serves both.
type engine interface {
	// prepare checks that the database keeps what it commits, and migrates it.
	prepare(ctx context.Context) error
	// ask is for single statements beside the writer: at the start and at the end.
	ask() Queryer
	// reader is for queries that see what was committed before they began.
	reader() Queryer
	// connect opens the connection that the writer uses.
	connect(ctx context.Context) (connection, error)
	// pieces lists the months that the big tables are kept in, the oldest first; nil where they are in one piece.
	pieces(ctx context.Context) ([]Piece, error)
	// leave notes that a server ended in order.
	leave(ctx context.Context) error
	close() error
}

// connection is the writer's: it runs one transaction at a time, for one goroutine.
type connection interface {
	// begin starts a transaction and returns its time: later than that of any before it that could be in its way.
	begin() (time.Time, error)
	// each runs a statement for every row. touched gets how many rows of the table each touched; when nobody wants to
	// know it is nil, and the engine may run the statement later in the transaction.
	each(stmt string, in rows, touched []int64) error
	// find runs a query for every row and reads each row of its answers into the place it is given.
	find(query string, in rows, out *plan, place func(of int) unsafe.Pointer) error
	// commit puts the transaction on disk. An error for which trouble says otherwise than lost means that nothing of it is.
	commit() error
	rollback() error
	// queries is for generated queries inside the transaction.
	queries() Queryer
	// tidy is called between transactions.
	tidy() error
	// makePieces makes the pieces ahead that are missing, and dropPiece takes one away. Both report false when they would have to
	// wait for others.
	makePieces(ctx context.Context, now time.Time) (bool, error)
	dropPiece(ctx context.Context, p Piece) (bool, error)
	// shrink gives space of deleted rows back, a share at a time, and tells whether there is more.
	shrink(ctx context.Context) (more bool, err error)
	trouble(err error) trouble
	close() error
}

// trouble is what an error says about the database.
type trouble int

const (
	noTrouble trouble = iota
	diskFull
	untrusted   // what was reported as written may not be
	conflict    // another process was in the way: the same again may succeed
	blocked     // another process has been in the way for long
	unreachable // nothing of the transaction is there
	lost        // nobody can tell whether the transaction is there
)

// rows are a slice of parameters, each of the same plan.
type rows struct {
	plan  *plan
	first unsafe.Pointer
	size  uintptr
	n     int
}

func rowsOf[P any](params []P) (rows, error) {
	p, err := planOf[P]()
	if err != nil {
		return rows{}, err
	}
	if len(params) == 0 {
		return rows{plan: p}, nil
	}
	return rows{p, addressOf(&params[0]), unsafe.Sizeof(params[0]), len(params)}, nil
}

func (r rows) at(i int) unsafe.Pointer { return unsafe.Add(r.first, uintptr(i)*r.size) }
