package natsd

import (
	"fmt"
	"log/slog"
)

// logger is a nats-server logger on top of slog.
type logger struct {
	slog  *slog.Logger
	fatal chan string // the first fatal line; nobody reads it once the server is ready
}

func newLogger(l *slog.Logger) *logger {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &logger{slog: l, fatal: make(chan string, 1)}
}

func (l *logger) Noticef(format string, v ...any) { l.slog.Info(fmt.Sprintf(format, v...)) }
func (l *logger) Warnf(format string, v ...any)   { l.slog.Warn(fmt.Sprintf(format, v...)) }
func (l *logger) Errorf(format string, v ...any)  { l.slog.Error(fmt.Sprintf(format, v...)) }
func (l *logger) Debugf(format string, v ...any)  { l.slog.Debug(fmt.Sprintf(format, v...)) }
func (l *logger) Tracef(format string, v ...any)  { l.slog.Debug(fmt.Sprintf(format, v...)) }

// Fatalf does not exit, unlike the server's own loggers: this is not its
// process.
func (l *logger) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.slog.Error(line)
	select {
	case l.fatal <- line:
	default:
	}
}
