package brokertest

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
)

// Backend is what the suite runs against.
type Backend interface {
	broker.Publisher
	broker.Subscriber
	broker.Notifier
}

// Open returns a broker without messages and without subscriptions, whose
// acknowledgement wait is ackWait, and which allows 600 unsettled messages at
// least. It is called once for each subtest and cleans up by t.Cleanup. It calls
// t.Skip, with the reason, when the wait is too short for the backend's server.
type Open func(t testing.TB, ackWait time.Duration) Backend

const (
	// never is an acknowledgement wait that does not end within a test, so that
	// a message that is delivered again was given back.
	never = time.Hour
	// soon is one that a test waits for. It is long beside the pauses of a busy
	// machine.
	soon = time.Second
)

// Run tests a backend. Clauses run one after the other; package brokertest's own
// comment tells more.
func Run(t *testing.T, open Open) {
	for _, c := range clauses {
		t.Run(c.sentence, func(t *testing.T) {
			c.prove(t, open(t, c.ackWait))
		})
	}
	t.Run("each call of open gives an empty broker of its own", func(t *testing.T) {
		publish(t, open(t, never), batch("topic", "first", 1)...)
		second := open(t, never)
		expectNothing(t, second, subscribe(t, second, "reader", "topic", broker.FromFirst), "topic")
	})
}

type clause struct {
	sentence string
	ackWait  time.Duration
	prove    func(*testing.T, Backend)
}

var clauses = []clause{
	{"Publish confirms all messages", never, publishConfirmsAll},
	{"Publish of nothing is nothing", never, publishNothing},
	{"Publish refuses bad messages before it sends one", never, publishRefuses},
	{"Publish reports a confirmed prefix when its context ends, and the caller resumes from it", never, publishPrefix},
	{"messages with one key keep their order", never, orderWithinKey},
	{"publishers and consumers run at the same time", never, concurrently},
	{"a message arrives as it was sent", never, roundTrip},

	{"a bad name or topic is refused", never, badNames},
	{"under one name each topic has a subscription of its own", never, topicsOfOneName},
	{"topics are apart, also when one begins with the other", never, topicsApart},
	{"FromNow begins after what was published, FromFirst with it", never, starts},
	{"a durable subscription goes on from where it was, whatever the start", never, goesOn},
	{"two members of one name share the messages", never, membersShare},
	{"two names get all messages each", never, namesGetAll},

	{"Fetch returns what is at hand, up to its limit", never, fetchLimit},
	{"Fetch refuses a limit below 1", never, fetchBadLimit},
	{"Fetch waits for a message that is published later", never, fetchWaits},
	{"Fetch returns the context's error when that ends first", never, fetchCancelled},
	{"Fetch loses nothing when its context ends", never, fetchLosesNothing},

	{"a message that is not settled comes back after the acknowledgement wait", soon, comesBack},
	{"a message that was acknowledged or terminated does not come back", soon, finalWords},
	{"InProgress starts the acknowledgement wait anew", soon, inProgress},
	{"Nak brings the message again, not before its delay", never, nakDelay},
	{"Attempt counts from 1", never, attempts},
	{"Sequence grows from message to message, and is the same at each delivery", never, sequences},
	{"settling again does nothing", never, settleAgain},
	{"deliveries are settled from any goroutine", never, settleConcurrently},

	{"Close gives back what was not settled, at once", never, closeGivesBack},
	{"Close gives back what a cancelled Fetch had asked for", never, closeAfterCancel},
	{"Fetch after Close returns ErrClosed, and closing again is nothing", never, closedFetch},
	{"Close ends a Fetch that waits", never, closeEndsFetch},
	{"settling after Close does nothing", never, settleAfterClose},

	{"Notify calls its function after a message of each of its topics", never, notifies},
	{"Notify does not call for messages of other topics", never, notifiesOfItsTopics},
	{"stop ends the calls of its Notify and of no other", never, notifyStops},
	{"Notify refuses bad topics, none, and no function", never, notifyRefuses},

	{"Publish says which message is refused", never, refusedIsNamed},
	{"a topic belongs to the history that claimed it first", never, topicHasOneOwner},
	{"of histories that claim a topic at one time one gets it", never, oneClaimWins},
	{"a claim is no message of the topic", never, claimIsNoMessage},
	{"Last gives the last message of each place", never, lastOfEachPlace},
	{"Find gives the message that a token was made for", never, foundByToken},
	{"the session stays while nothing is lost", never, sessionStays},
}
