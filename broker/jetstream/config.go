package jetstream

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// Config names the stream and sets what it and its consumers are created with.
// Stream, Prefix and Partitions are the same for all programs that share a
// stream. What else exists on the server stays as it is there: change it by
// "nats stream edit" and "nats consumer edit".
type Config struct {
	// Stream is the stream's name, as long and of the same characters as a
	// topic. Empty means "EVENTUS".
	Stream string
	// Prefix is the first token of all subjects; the stream takes <Prefix>.>
	// (the stream's subjects). Empty means "eventus".
	Prefix string
	// Partitions is how many subjects a topic has, 1 to 256. Zero means 16. It
	// never changes for a stream: a key would move to another partition.
	Partitions int
	// Replicas is on how many servers of a cluster each message is kept
	// (num_replicas). Zero means 1.
	Replicas int
	// MaxAge is how long messages are kept (max_age). Zero keeps them for ever.
	MaxAge time.Duration
	// DuplicateWindow is how long the server remembers message IDs
	// (duplicate_window). Zero means the server's default, 2 minutes.
	DuplicateWindow time.Duration

	// AckWait is how long a delivery may stay unsettled (ack_wait of the
	// consumer). Zero means 30 seconds, the server's default.
	AckWait time.Duration
	// MaxAckPending is how many deliveries of one durable subscription may be
	// unsettled, over all members (max_ack_pending of the consumer). Zero means
	// 1,000, the server's default.
	MaxAckPending int

	// PublishTimeout is how long the server may take to confirm a message
	// before Publish gives up. Zero means 5 seconds, the client's default for
	// JetStream requests.
	PublishTimeout time.Duration

	// Lazy has [New] return without asking the server, so that a program starts
	// while the server is down. False means that New makes sure of the stream.
	Lazy bool
	// AllowLoss accepts a stream whose limits lose messages: a MaxAge shorter
	// than Config's, a maximum of messages or bytes with the discard policy
	// "old", no_ack and the like. False means that such a stream is refused.
	AllowLoss bool
}

// withDefaults replaces zeros and reports what no server would accept.
func (c Config) withDefaults() (Config, error) {
	c.Stream = cmp.Or(c.Stream, "EVENTUS")
	c.Prefix = cmp.Or(c.Prefix, "eventus")
	c.Partitions = cmp.Or(c.Partitions, 16)
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.AckWait = cmp.Or(c.AckWait, 30*time.Second)
	c.MaxAckPending = cmp.Or(c.MaxAckPending, 1000)
	c.PublishTimeout = cmp.Or(c.PublishTimeout, 5*time.Second)
	if err := broker.CheckName(c.Stream); err != nil {
		return c, fmt.Errorf("Config.Stream %w", err)
	}
	if err := broker.CheckName(c.Prefix); err != nil {
		return c, fmt.Errorf("Config.Prefix %w", err)
	}
	if c.Partitions < 1 || c.Partitions > 256 {
		return c, fmt.Errorf("Config.Partitions is %d, want 1 to 256", c.Partitions)
	}
	if min(c.MaxAge, c.DuplicateWindow, c.AckWait, c.PublishTimeout) < 0 || min(c.Replicas, c.MaxAckPending) < 0 {
		return c, errors.New("Config has a negative duration or number, want zero for the default")
	}
	return c, nil
}
