package api

import (
	"net/http"
	"time"
)

// Patient gives each piece of a long reply its own time.
type Patient struct{ http.ResponseWriter }

// Write implements io.Writer.
func (p Patient) Write(b []byte) (int, error) {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(pieceTime)) // where there is none, none ends
	return p.ResponseWriter.Write(b)
}
