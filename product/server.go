package product

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer returns a server for the API that slow and broken clients cannot
// hold up. An answer is begun within 30 seconds, so the API's WaitLimit is less.
func NewServer(api http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           api,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
