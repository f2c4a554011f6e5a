package program

import (
	"strings"
	"time"

	"github.com/eventus-go/eventus/broker/jetstream"
)

// Stream adds the flags for the stream of JetStream that a program works on. Like
// those of Publishing, they have the names, units and defaults of the fields of cfg.
func (f *Flags) Stream(cfg *jetstream.Config) {
	f.StringVar(&cfg.Stream, "stream", "EVENTUS", "`name` of the JetStream stream")
	f.StringVar(&cfg.Prefix, "prefix", "eventus", "first `token` of the subjects of the stream")
	f.number(&cfg.Partitions, "partitions", 16, 1, 256, "`number` of subjects of a category, 1 to 256; a stream keeps the number that it was made with")
	f.duration(&cfg.MaxAge, "max-age", 0, "`duration` for which the stream keeps messages, such as 720h; 0 keeps them all")
	f.BoolVar(&cfg.AllowLoss, "allow-loss", false, "take a stream whose limits lose messages, such as one with a shorter -max-age")
}

// Publishing adds the flags of a program that makes the stream and publishes.
func (f *Flags) Publishing(cfg *jetstream.Config) {
	f.number(&cfg.Replicas, "replicas", 1, 1, 5, "`number` of servers of a NATS cluster that keep each message, 1 to 5; for a stream that is made")
	f.duration(&cfg.DuplicateWindow, "duplicate-window", 0, "`duration` for which the stream remembers message ids; 0 is the server's default, 2m; for a stream that is made")
	f.duration(&cfg.PublishTimeout, "publish-timeout", 5*time.Second, "`duration` that the server may take to confirm a message")
}

// byFlags has the flags in place of the fields that errors of package jetstream
// name.
var byFlags = strings.NewReplacer("Config.Stream", "-stream", "Config.Prefix", "-prefix", "Config.Partitions", "-partitions",
	"Config.Replicas", "-replicas", "Config.MaxAge", "-max-age", "Config.AllowLoss", "-allow-loss")

// streamError is an error of package jetstream in the words of the flags.
type streamError struct{ err error }

func (e *streamError) Error() string { return byFlags.Replace(e.err.Error()) }
func (e *streamError) Unwrap() error { return e.err }

// StreamError returns an error of package jetstream that names the flags of Stream
// and Publishing where err names the fields of its Config.
func StreamError(err error) error { return &streamError{err} }
