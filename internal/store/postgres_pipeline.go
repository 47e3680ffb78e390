package store

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// pipeline sends prepared statements one after another and reads their answers later (PostgreSQL documentation, 55.2.3), so that
// a transaction takes few round trips. The driver's own pipeline takes no COPY, by which many rows cost the server a quarter less
// than by an insert.
type pipeline struct {
	raw    *pgconn.PgConn
	params encoder
	size   int  // bytes sent since answers were read last
	owed   int  // answers that nobody waits for
	open   bool // something was put in since the last sync
	syncs  int  // those that have not been answered
}

const (
	pipelineShare = 32 << 10 // then answers are read: less than two sockets hold, so that neither side waits for the other to read
	statementSize = 64       // bytes of a statement without its parameters, about
)

// full reports whether answers should be read before more is sent.
func (p *pipeline) full() bool { return p.size >= pipelineShare }

// execute puts a statement with the parameters of one row into the pipeline.
func (p *pipeline) execute(s *pgconn.StatementDescription, in rows, row int) error {
	values, err := p.params.encode(s.ParamOIDs, in.plan, in.at(row))
	if err != nil {
		return err
	}
	for _, v := range values {
		p.size += len(v)
	}
	p.start(s.Name, values)
	return nil
}

func (p *pipeline) start(statement string, values [][]byte) {
	front := p.raw.Frontend()
	front.SendBind(&pgproto3.Bind{PreparedStatement: statement, ParameterFormatCodes: asBinary, Parameters: values, ResultFormatCodes: asBinary})
	front.SendExecute(&pgproto3.Execute{})
	p.size, p.open = p.size+statementSize, true
}

// copy puts many rows into the pipeline, for a COPY. The server takes them in as they come, so that they may be any size.
func (p *pipeline) copy(s *pgconn.StatementDescription, types []uint32, in rows) error {
	data, err := p.params.encodeCopy(types, in)
	if err != nil {
		return err
	}
	p.start(s.Name, nil)
	front := p.raw.Frontend()
	front.Send(&pgproto3.CopyData{Data: data})
	front.Send(&pgproto3.CopyDone{})
	return nil
}

// owe notes that nobody waits for the answer to what was put in last.
func (p *pipeline) owe() error {
	p.owed++
	if p.full() {
		return p.settle()
	}
	return nil
}

// settle sends what has gathered and reads all answers, so that the connection can be used otherwise.
func (p *pipeline) settle() error {
	if !p.open {
		return nil
	}
	if err := p.sync(); err != nil {
		return err
	}
	return p.end()
}

// sync sends what has gathered, and reads the answers that nobody waits for.
func (p *pipeline) sync() error {
	if err := p.flush(); err != nil {
		return err
	}
	for ; p.owed > 0; p.owed-- {
		if _, err := p.answer(nil, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) flush() error {
	front := p.raw.Frontend()
	front.SendSync(&pgproto3.Sync{})
	p.open, p.size, p.syncs = false, 0, p.syncs+1
	if err := front.Flush(); err != nil {
		p.cut()
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// answer reads the next answer: its rows into places, and what was done.
func (p *pipeline) answer(columns []pgconn.FieldDescription, out *plan, place func() unsafe.Pointer) (tag pgconn.CommandTag, err error) {
	for {
		message, err := p.receive()
		if err != nil {
			return tag, err
		}
		switch m := message.(type) {
		case *pgproto3.BindComplete, *pgproto3.CopyInResponse:
		case *pgproto3.DataRow:
			if out == nil {
				continue
			}
			if err := decode(columns, m.Values, out, place()); err != nil {
				return tag, err
			}
		case *pgproto3.CommandComplete:
			return pgconn.NewCommandTag(string(m.CommandTag)), nil
		default:
			return tag, p.unexpected(m)
		}
	}
}

// end reads the end of the answers.
func (p *pipeline) end() error {
	message, err := p.receive()
	if err != nil {
		return err
	}
	if _, ok := message.(*pgproto3.ReadyForQuery); !ok {
		return p.unexpected(message)
	}
	p.syncs--
	return nil
}

func (p *pipeline) unexpected(message pgproto3.BackendMessage) error {
	p.cut()
	return fmt.Errorf("an answer is out of place: %T", message)
}

// receive returns the next message that is part of an answer. An error that the server tells is a *pgconn.PgError.
func (p *pipeline) receive() (pgproto3.BackendMessage, error) {
	for {
		message, err := p.raw.ReceiveMessage(context.Background())
		if err != nil {
			p.cut() // the driver keeps it after its time is over
			return nil, err
		}
		switch m := message.(type) {
		case *pgproto3.ParameterStatus, *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
		case *pgproto3.ErrorResponse:
			return nil, pgconn.ErrorResponseToPgError(m)
		default:
			return m, nil
		}
	}
}

// clear ends whatever is under way, without a look at the answers: the server skips what came after a mistake.
func (p *pipeline) clear() {
	p.owed = 0
	if p.open && !p.raw.IsClosed() {
		_ = p.flush()
	}
	for p.syncs > 0 && !p.raw.IsClosed() {
		if message, _ := p.receive(); isReady(message) {
			p.syncs--
		}
	}
}

func isReady(message pgproto3.BackendMessage) bool {
	_, ok := message.(*pgproto3.ReadyForQuery)
	return ok
}

// cut closes a connection that answers no more, or not what it was asked. What it may still do is called off.
func (p *pipeline) cut() {
	if p.raw.IsClosed() {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
		defer cancel()
		_ = p.raw.CancelRequest(ctx)
	}()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.raw.Close(now)
}
