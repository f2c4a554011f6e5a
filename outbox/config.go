package outbox

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/internal/quiet"
	"github.com/eventus-go/eventus/store"
)

// Config configures a [Relay]. The zero value is ready for use.
type Config struct {
	// Source is the CloudEvents source of the messages: a URI reference that
	// names the service, up to 128 bytes. Default "eventus".
	Source string
	// Categories are claimed for the store's history when Run starts, where the
	// broker is a [broker.Owner]: a store whose categories belong to another one
	// is told so before it has published anything. Other categories are claimed
	// before their first message is published. Default none.
	Categories []string
	// BatchSize is how many messages are read and published at a time, at most. A
	// relay that has many to publish goes from 256 up to BatchSize, and down again
	// when they are so large that a batch exceeds about 4 MiB. Three batches are in
	// memory at most: one is read, one published, one marked. Default 2048.
	BatchSize int
	// MaxPollInterval is the longest pause between two looks at an empty outbox.
	// An append of this process is seen at once where the store is a
	// [store.Watcher]; MaxPollInterval is for those of others. Default 500 ms.
	MaxPollInterval time.Duration
	// LeaseDuration is how long a relay that was killed keeps the others waiting,
	// where the store has [store.Leases]: of several relays over one store, one
	// publishes and the others stand by, asking three times in that time.
	// Default 5 s.
	LeaseDuration time.Duration
	// AuditInterval is the time between two comparisons of the broker with the
	// store, where the broker is a [broker.Auditor] and the store a [store.Log],
	// and between two looks for refused messages that are due for another attempt.
	// Default 1 min.
	AuditInterval time.Duration
	// Logger tells of failures, and at debug level of every message. Default:
	// slog.Default at Warn and above.
	Logger *slog.Logger
}

// withDefaults replaces zeros and panics on what cannot be meant.
func (c Config) withDefaults() Config {
	if min(c.MaxPollInterval, c.LeaseDuration, c.AuditInterval) < 0 || c.BatchSize < 0 {
		panic("outbox: Config has a negative number or duration: use zero for the default")
	}
	c.Source = cmp.Or(c.Source, "eventus")
	if err := store.CheckName("source", c.Source); err != nil {
		panic(fmt.Sprintf("outbox: Config.Source: %v", err))
	}
	for _, category := range c.Categories {
		if err := broker.CheckName(category); err != nil {
			panic(fmt.Sprintf("outbox: Config.Categories: %v", err))
		}
	}
	c.BatchSize = cmp.Or(c.BatchSize, 2048)
	c.MaxPollInterval = cmp.Or(c.MaxPollInterval, 500*time.Millisecond)
	c.LeaseDuration = cmp.Or(c.LeaseDuration, 5*time.Second)
	c.AuditInterval = cmp.Or(c.AuditInterval, time.Minute)
	c.Logger = quiet.Logger(c.Logger)
	return c
}
