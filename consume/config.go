package consume

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/internal/quiet"
	"github.com/eventus-go/eventus/store"
)

// Config configures a [Follower]. The zero value is ready for use.
type Config struct {
	// Start is where a new consumer begins. Default [Beginning]; a consumer with
	// effects [Outside] of the database has to choose.
	Start Start
	// Wake is a broker that tells when something was published, so that a
	// consumer in another process than the writer need not wait for its next
	// look at the log. Nothing that comes from it takes effect. Default none.
	Wake broker.Notifier
	// Generation tells builds of one read model apart that stand side by side:
	// a new generation is built from the log while the old one serves. Default 0.
	Generation int
	// Segments is the number of segments of a new consumer: so many processes
	// can work on it at a time. With more than one, the order holds within a
	// stream only. A consumer that exists keeps its number; a request changes it
	// ([store.SetSegments]). Default 1.
	Segments int
	// BatchSize is the most messages in one transaction. It bounds the
	// follower's memory, to a few batches for each segment. Default 256.
	BatchSize int
	// LeaseDuration is how long a segment stays with a member that was killed or
	// stopped. A handler may take half of it. Default 20 s.
	LeaseDuration time.Duration
	// MaxPollInterval is the longest pause between two looks at the log. What
	// this process appends, and what Wake announces, is seen at once. Default
	// 500 ms.
	MaxPollInterval time.Duration
	// StopTimeout is how long work in hand may go on after the context of Run has
	// ended. Default 10 s.
	StopTimeout time.Duration
	// Retry says when a message that failed is tried again.
	Retry Retry
	// Logger gets warnings about streams that are parked and errors of the
	// consumer, and at debug level each message. Default: [slog.Default], from
	// warnings on.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Generation < 0 || c.Segments < 0 || c.Segments > store.MaxSegments || c.BatchSize < 0 || c.LeaseDuration < 0 || c.MaxPollInterval < 0 || c.StopTimeout < 0 {
		panic(fmt.Sprintf("consume: Config has a value that is negative, or more than %d segments; 0 means the default", store.MaxSegments))
	}
	c.BatchSize = orDefault(c.BatchSize, 256)
	c.LeaseDuration = orDefault(c.LeaseDuration, 20*time.Second)
	c.MaxPollInterval = orDefault(c.MaxPollInterval, 500*time.Millisecond)
	c.StopTimeout = orDefault(c.StopTimeout, 10*time.Second)
	c.Retry = c.Retry.withDefaults()
	c.Logger = quiet.Logger(c.Logger)
	return c
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}
