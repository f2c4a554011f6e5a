package broker

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is returned by [Subscription.Fetch] after Close.
var ErrClosed = errors.New("subscription is closed")

// Message is what travels.
type Message struct {
	// ID names the message. A broker may drop a second message with an ID that
	// it has seen lately.
	ID string
	// Topic is what consumers subscribe to: a category. 1 to 128 characters of
	// a-z, A-Z, 0-9, '-' and '_'.
	Topic string
	// Key spreads messages over the broker's partitions. Messages with one key
	// stay in one partition, in the order in which they were published. Any
	// string.
	Key string
	// Header is printable ASCII; names are tokens as in HTTP, values neither
	// begin nor end with a space. A backend may refuse the few names that its
	// own protocol takes, and says which.
	Header map[string]string
	Data   []byte
}

// Publisher sends messages. It is safe for concurrent use, though order holds
// only for the messages of one caller.
type Publisher interface {
	// Publish sends messages in order and waits for the broker's confirmations.
	// It returns how many of them, counted from the first, are confirmed. It
	// returns a nil error when and only when that is all of them. Messages
	// after the confirmed ones may or may not have arrived: the caller resumes
	// from the first that is not confirmed, so that a repeated message never
	// overtakes.
	//
	// A message that the broker will never take as it is gives an error with a
	// [*RefusedError] in it, whose Index is confirmed or greater. The caller
	// leaves it out and goes on with the others. Publish sends no message after a
	// refused one if it can tell beforehand, and none at all when [Message.Check]
	// refuses one.
	//
	// Publish keeps nothing of messages after it returned.
	//
	// A confirmed message reaches every subscription to its topic at least
	// once, unless the broker loses its storage.
	Publish(ctx context.Context, messages []Message) (confirmed int, err error)
}

// Subscriber opens subscriptions.
type Subscriber interface {
	// Subscribe opens the durable subscription of that name to topic, or joins
	// it. A name has 1 to 128 characters of a-z, A-Z, 0-9, '-' and '_'. Under one
	// name each topic has a subscription of its own.
	//
	// What was confirmed to publishers after a durable subscription was first
	// opened is delivered, also when nobody was connected meanwhile. All
	// members of a subscription share the messages between them: each goes to one.
	Subscribe(ctx context.Context, name, topic string, start Start) (Subscription, error)
}

// Start is where a new durable subscription begins. One that exists goes on
// from where it was.
type Start int

const (
	// FromNow begins with the messages that are published after the
	// subscription was opened.
	FromNow Start = iota
	// FromFirst begins with the first message that the broker still holds.
	FromFirst
)

// Subscription is one member's end of a durable subscription. Fetch is for one
// goroutine at a time; deliveries may be settled from any.
type Subscription interface {
	// Fetch waits for messages and returns between 1 and limit of them, in the
	// order of the broker, without waiting for more than are at hand. When ctx
	// ends first, it returns its error and no messages, and none is lost: what
	// was on its way is delivered again.
	Fetch(ctx context.Context, limit int) ([]Delivery, error)

	// Close gives up this member's end. Messages that were fetched and not
	// settled are delivered again, to this name's next or other members. The
	// durable subscription stays. A Fetch that waits returns [ErrClosed].
	// Closing again does nothing.
	Close() error
}

// Delivery is a message in hand. It is settled once, by Ack, Nak or Term; one
// that is not settled within the broker's acknowledgement wait is delivered
// again, unless InProgress asks for more time. What is called after that, or
// after the subscription was closed, does nothing. Methods are safe for
// concurrent use.
type Delivery interface {
	Message() Message
	// Attempt counts the deliveries of this message under this name, from 1.
	Attempt() int
	// Ack tells that the message is done with.
	Ack(ctx context.Context) error
	// Nak asks for the message again, not before delay.
	Nak(ctx context.Context, delay time.Duration) error
	// Term tells that the message must not come again, though it was not
	// handled. The reason is for the broker's advisories.
	Term(ctx context.Context, reason string) error
	// InProgress starts the acknowledgement wait anew.
	InProgress(ctx context.Context) error
}

// Sequenced is implemented by the deliveries of brokers that number their messages,
// so that an operator finds the message at the broker.
type Sequenced interface {
	// Sequence returns the message's number at the broker, 1 or greater. Of one
	// topic a message that was published later has a greater one. All deliveries of
	// a message have the same.
	Sequence() uint64
}

// Notifier tells a reader of the store that something new is likely to be there.
// It is for readers that follow the store's log and use the broker as a wake-up
// alone.
type Notifier interface {
	// Notify calls f soon after a message of one of the topics was published by
	// any program, until stop is called. It needs at least one topic, and f must
	// not be nil.
	//
	// A call is a hint and carries nothing: calls may be merged, may be lost, and
	// may come without a message. A reader that depends on them also looks by
	// itself from time to time. Nothing is acknowledged, and no state stays at
	// the broker.
	//
	// f returns at once, for it may hold up other calls, and it is safe for
	// concurrent use. A call that has begun may end after stop has returned.
	// Calling stop again does nothing.
	Notify(topics []string, f func()) (stop func(), err error)
}
