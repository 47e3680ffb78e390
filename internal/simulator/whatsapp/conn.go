package whatsapp

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

type (
	node  = binary.Node
	attrs = binary.Attrs
)

// handshakeTime is how long a new connection may take to say who it is.
const handshakeTime = 20 * time.Second

// conn is one connection of a library's client: frames in order, each sealed with the next counter.
type conn struct {
	server *Server
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc

	buffer           []byte // what has come and is no whole frame yet
	read, write      cipher.AEAD
	readCount, wrote uint32
	static           []byte               // the client's Noise key
	payload          *waWa6.ClientPayload // who it says it is
	device           *Device              // who it is; set once, before anything else is read
	advertised       []string             // references of the QR codes it shows
	pairing          chan pairResult      // what it answered to pair-success
	code             *codePairing         // the pairing code that it shows
	mu               sync.Mutex
	wake             *sync.Cond
	queue            []outgoing
	ended            bool // nothing more is taken; what is queued still goes out
}

// outgoing is one thing for the writer to do.
type outgoing struct {
	node *node
	half bool // only the first half of the frame, and then the end
	end  bool
}

// socket serves the websocket of one client.
func (s *Server) socket(out http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(out, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(socket.FrameMaxSize)
	c := &conn{server: s, ws: ws, pairing: make(chan pairResult, 1)}
	c.wake = sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = ws.CloseNow()
		return
	}
	s.conns[c] = true
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	err = c.serve()
	c.cut()
	_ = ws.CloseNow()
	s.leave(c)
	s.config.Log.Debug("connection ended", "error", err)
}

// serve is the connection from handshake to end.
func (c *conn) serve() error {
	if err := c.handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		c.pump()
	}()
	defer func() {
		c.cut()
		<-writer
	}()
	if err := c.server.welcome(c); err != nil {
		return err
	}
	for {
		n, err := c.receive()
		if err != nil {
			return err
		}
		c.server.handle(c, n)
	}
}

func (c *conn) handshake() error {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTime)
	defer cancel()
	header := make([]byte, len(socket.WAConnHeader))
	if err := c.fill(ctx, len(header)); err != nil {
		return err
	}
	copy(header, c.buffer)
	c.buffer = c.buffer[len(header):]
	if !bytes.Equal(header, socket.WAConnHeader) {
		return fmt.Errorf("unknown protocol %q", header)
	}
	n, err := newNoise(header)
	if err != nil {
		return err
	}
	first, err := c.frame(ctx)
	if err != nil {
		return err
	}
	ephemeral := keys.NewKeyPair()
	hello, err := n.hello(c.server.authority, ephemeral, first)
	if err != nil {
		return err
	}
	if err := c.ws.Write(ctx, websocket.MessageBinary, framed(hello)); err != nil {
		return err
	}
	last, err := c.frame(ctx)
	if err != nil {
		return err
	}
	if c.static, c.payload, err = n.finish(ephemeral, last); err != nil {
		return err
	}
	c.read, c.write, err = n.split()
	return err
}

// fill reads until n octets are there.
func (c *conn) fill(ctx context.Context, n int) error {
	for len(c.buffer) < n {
		kind, data, err := c.ws.Read(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			return errors.New("a text message")
		}
		c.buffer = append(c.buffer, data...)
	}
	return nil
}

// frame reads the next whole frame, however it is cut into messages.
func (c *conn) frame(ctx context.Context) ([]byte, error) {
	if err := c.fill(ctx, socket.FrameLengthSize); err != nil {
		return nil, err
	}
	length := int(c.buffer[0])<<16 | int(c.buffer[1])<<8 | int(c.buffer[2])
	if err := c.fill(ctx, socket.FrameLengthSize+length); err != nil {
		return nil, err
	}
	frame := bytes.Clone(c.buffer[socket.FrameLengthSize : socket.FrameLengthSize+length])
	c.buffer = c.buffer[socket.FrameLengthSize+length:]
	if len(c.buffer) == 0 {
		c.buffer = nil // an idle connection keeps nothing
	}
	return frame, nil
}

func framed(data []byte) []byte {
	return append([]byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
}

func (c *conn) receive() (*node, error) {
	frame, err := c.frame(c.ctx)
	if err != nil {
		return nil, err
	}
	plain, err := c.read.Open(frame[:0], nonce(c.readCount), frame, nil)
	c.readCount++
	if err != nil {
		return nil, fmt.Errorf("open a frame: %w", err)
	}
	if len(plain) == 0 {
		return nil, errors.New("an empty frame")
	}
	data, err := binary.Unpack(plain)
	if err != nil {
		return nil, fmt.Errorf("unpack a frame: %w", err)
	}
	return binary.Unmarshal(data)
}

// send queues a stanza. It never waits for the client, so that it may be called under any lock.
func (c *conn) send(n node) { c.push(outgoing{node: &n}) }

// finish lets what is queued go out, and ends.
func (c *conn) finish() { c.push(outgoing{end: true}) }

func (c *conn) push(o outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.queue = append(c.queue, o)
		c.wake.Signal()
	}
}

// cut ends the connection at once.
func (c *conn) cut() {
	c.mu.Lock()
	c.ended, c.queue = true, nil
	c.wake.Signal()
	c.mu.Unlock()
	c.cancel() // which ends the read that runs, and the socket with it
}

// pump writes what is queued until the connection ends.
func (c *conn) pump() {
	for {
		o, ok := c.pop()
		if !ok {
			return
		}
		if err := c.put(o); err != nil || o.end || o.half {
			c.cut()
			return
		}
	}
}

func (c *conn) pop() (outgoing, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.ended {
		c.wake.Wait()
	}
	if len(c.queue) == 0 {
		return outgoing{}, false
	}
	o := c.queue[0]
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return o, true
}

func (c *conn) put(o outgoing) error {
	if o.node == nil {
		return nil
	}
	data, err := binary.Marshal(*o.node)
	if err != nil {
		return err
	}
	frame := framed(c.write.Seal(nil, nonce(c.wrote), data, nil))
	c.wrote++
	if o.half {
		frame = frame[:len(frame)/2]
	}
	return c.ws.Write(c.ctx, websocket.MessageBinary, frame)
}

// breakWith tells the client why its stream ends, and ends it when the client has had time to take that in.
func (c *conn) breakWith(reason node) {
	c.send(reason)
	c.server.after(c.server.config.Linger, c.finish)
}

func streamError(code string, children ...node) node {
	n := node{Tag: "stream:error", Attrs: attrs{}, Content: children}
	if code != "" {
		n.Attrs["code"] = code
	}
	return n
}

// handle does what a stanza asks for.
func (s *Server) handle(c *conn, n *node) {
	if n.Tag == "iq" {
		s.iq(c, n)
		return
	}
	if c.device == nil {
		return // only a device that is logged in may say more
	}
	switch n.Tag {
	case "message":
		s.message(c, n)
	case "receipt":
		s.receipt(c, n)
	case "ack":
		c.device.acknowledged(n)
	case "presence":
		s.presence(c, n)
	case "chatstate":
		s.chatState(c, n)
	case "call":
		s.call(c, n)
	}
}

// jid reads an attribute that names somebody.
func jid(n *node, name string) types.JID {
	j, _ := n.Attrs[name].(types.JID)
	return j
}

// text reads an attribute that is a word or a number.
func text(n *node, name string) string {
	t, _ := n.Attrs[name].(string)
	return t
}

// octets reads the content of the child with a tag.
func octets(n *node, tags ...string) []byte {
	child, ok := n.GetOptionalChildByTag(tags...)
	if !ok {
		return nil
	}
	b, _ := child.Content.([]byte)
	return b
}

// has tells whether there is a child with a tag.
func has(n *node, tag string) bool {
	_, ok := n.GetOptionalChildByTag(tag)
	return ok
}
