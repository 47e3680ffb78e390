package api

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns a server whose every wait has an end, so that callers who send or read slowly hold nothing up.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // of a whole request; a handler of long bodies moves it with http.ResponseController
		WriteTimeout:      60 * time.Second, // the same for long replies
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken callers, not broken servers
	}
}
