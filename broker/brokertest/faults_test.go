package brokertest_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/brokertest"
	"github.com/eventus-go/eventus/broker/memory"
)

// fault is a broker that is wrong in one way, and the clause that tells.
type fault struct {
	name   string
	breaks string
	open   brokertest.Open
}

// with opens a broker that spoil has made wrong.
func with(spoil func(*memory.Broker) brokertest.Backend) brokertest.Open {
	return func(_ testing.TB, ackWait time.Duration) brokertest.Backend {
		return spoil(memory.New(memory.Config{AckWait: ackWait}))
	}
}

// withSubscription opens a broker whose subscriptions spoil has made wrong.
func withSubscription(spoil func(broker.Subscription) broker.Subscription) brokertest.Open {
	return with(func(b *memory.Broker) brokertest.Backend { return subscriber{b, spoil} })
}

// withDelivery opens a broker whose deliveries spoil has made wrong.
func withDelivery(spoil func(broker.Delivery) broker.Delivery) brokertest.Open {
	return withSubscription(func(s broker.Subscription) broker.Subscription { return deliverer{s, spoil} })
}

var shared = memory.New(memory.Config{})

// faults, by what they concern.
var faults = []fault{
	{"all tests share one broker", "each call of open gives an empty broker of its own",
		with(func(*memory.Broker) brokertest.Backend { return shared })},

	{"a confirmed message is lost", "Publish confirms all messages",
		with(func(b *memory.Broker) brokertest.Backend { return lossy{b} })},
	{"a message too few is reported as confirmed", "Publish confirms all messages",
		with(func(b *memory.Broker) brokertest.Backend { return modest{b} })},
	{"what lies behind a failed message is sent before it", "Publish reports a confirmed prefix when its context ends, and the caller resumes from it",
		with(func(b *memory.Broker) brokertest.Backend { return &pipelined{Broker: b} })},
	{"an error comes with all confirmed", "Publish reports a confirmed prefix when its context ends, and the caller resumes from it",
		with(func(b *memory.Broker) brokertest.Backend { return &undecided{Broker: b} })},
	{"messages of a key are reordered", "messages with one key keep their order",
		with(func(b *memory.Broker) brokertest.Backend { return backwards{b} })},
	{"messages of a publisher are reordered", "publishers and consumers run at the same time",
		with(func(b *memory.Broker) brokertest.Backend { return backwards{b} })},
	{"messages are checked one by one", "Publish refuses bad messages before it sends one",
		with(func(b *memory.Broker) brokertest.Backend { return eager{b} })},
	{"names of headers change their case", "a message arrives as it was sent",
		with(func(b *memory.Broker) brokertest.Backend { return canonical{b} })},

	{"bad characters of a name are replaced", "a bad name or topic is refused",
		with(func(b *memory.Broker) brokertest.Backend { return lenient{b} })},
	{"name and topic are glued together", "under one name each topic has a subscription of its own",
		with(func(b *memory.Broker) brokertest.Backend { return &glued{Broker: b} })},
	{"a name belongs to one topic", "under one name each topic has a subscription of its own",
		with(func(b *memory.Broker) brokertest.Backend { return &oneTopic{Broker: b} })},
	{"each member has a subscription of its own", "two members of one name share the messages",
		with(func(b *memory.Broker) brokertest.Backend { return &ephemeral{Broker: b} })},
	{"each member begins anew", "a durable subscription goes on from where it was, whatever the start",
		with(func(b *memory.Broker) brokertest.Backend { return &ephemeral{Broker: b, anew: true} })},
	{"a new subscription begins with all there is", "FromNow begins after what was published, FromFirst with it",
		with(func(b *memory.Broker) brokertest.Backend { return fromFirst{b} })},

	{"Fetch gives more than its limit", "Fetch returns what is at hand, up to its limit",
		withSubscription(func(s broker.Subscription) broker.Subscription { return greedy{s} })},
	{"Fetch of nothing returns nothing", "Fetch refuses a limit below 1",
		withSubscription(func(s broker.Subscription) broker.Subscription { return polite{s} })},
	{"the end of a context is no error", "Fetch returns the context's error when that ends first",
		withSubscription(func(s broker.Subscription) broker.Subscription { return quiet{s} })},
	{"what arrives after the context ended is dropped", "Fetch loses nothing when its context ends",
		withSubscription(func(s broker.Subscription) broker.Subscription { return careless{s} })},

	{"a message is sent once", "a message that is not settled comes back after the acknowledgement wait",
		func(t testing.TB, _ time.Duration) brokertest.Backend { return open(t, time.Hour) }},
	{"an acknowledged message comes again", "a message that was acknowledged or terminated does not come back",
		withDelivery(func(d broker.Delivery) broker.Delivery { return unheard{d} })},
	{"a terminated message comes again", "a message that was acknowledged or terminated does not come back",
		withDelivery(func(d broker.Delivery) broker.Delivery { return immortal{d} })},
	{"a message in progress comes again", "InProgress starts the acknowledgement wait anew",
		withDelivery(func(d broker.Delivery) broker.Delivery { return silent{d} })},
	{"Nak does not look at its delay", "Nak brings the message again, not before its delay",
		withDelivery(func(d broker.Delivery) broker.Delivery { return hasty{d} })},
	{"each delivery is the first", "Attempt counts from 1",
		withDelivery(func(d broker.Delivery) broker.Delivery { return first{d} })},
	{"the sequence is that of the delivery", "Sequence grows from message to message, and is the same at each delivery",
		with(func(b *memory.Broker) brokertest.Backend {
			var deliveries atomic.Uint64
			return subscriber{b, func(s broker.Subscription) broker.Subscription {
				return deliverer{s, func(d broker.Delivery) broker.Delivery { return numbered{d, deliveries.Add(1)} }}
			}}
		})},
	{"settling again is an error", "settling again does nothing",
		withDelivery(func(d broker.Delivery) broker.Delivery { return &strict{Delivery: d} })},

	{"what was fetched is done with", "Close gives back what was not settled, at once",
		withSubscription(func(s broker.Subscription) broker.Subscription { return autoAck{s} })},
	{"a closed Fetch has an error of its own", "Fetch after Close returns ErrClosed, and closing again is nothing",
		withSubscription(func(s broker.Subscription) broker.Subscription { return unnamed{s} })},
	{"Close leaves a waiting Fetch alone", "Close ends a Fetch that waits",
		withSubscription(func(s broker.Subscription) broker.Subscription { return leaver{s} })},

	{"only the first topic is listened to", "Notify calls its function after a message of each of its topics",
		with(func(b *memory.Broker) brokertest.Backend { return firstTopic{b} })},
	{"the first call is the last", "Notify calls its function after a message of each of its topics",
		with(func(b *memory.Broker) brokertest.Backend { return oneShot{b} })},
	{"every message is told to all", "Notify does not call for messages of other topics",
		with(func(b *memory.Broker) brokertest.Backend { return &loud{Broker: b} })},
	{"stop does nothing", "stop ends the calls of its Notify and of no other",
		with(func(b *memory.Broker) brokertest.Backend { return unstoppable{b} })},
	{"stop ends the calls of all", "stop ends the calls of its Notify and of no other",
		with(func(b *memory.Broker) brokertest.Backend { return &stopsAll{Broker: b} })},
	{"bad topics are left out", "Notify refuses bad topics, none, and no function",
		with(func(b *memory.Broker) brokertest.Backend { return forgiving{b} })},

	{"a refusal names no message", "Publish says which message is refused",
		with(func(b *memory.Broker) brokertest.Backend { return nameless{b} })},
	{"a topic is anybody's", "a topic belongs to the history that claimed it first",
		with(func(b *memory.Broker) brokertest.Backend { return anybodys{b} })},
	{"a claim is read and then written", "of histories that claim a topic at one time one gets it",
		with(func(b *memory.Broker) brokertest.Backend { return &readThenWrite{Broker: b} })},
	{"a claim is announced to the readers of the topic", "a claim is no message of the topic",
		with(func(b *memory.Broker) brokertest.Backend { return announced{b} })},
	{"the first message is given for the last", "Last gives the last message of each place",
		with(func(b *memory.Broker) brokertest.Backend { return &oldest{Broker: b} })},
	{"the last message is found by any token", "Find gives the message that a token was made for",
		with(func(b *memory.Broker) brokertest.Backend { return tokenless{b} })},
	{"each look begins a session", "the session stays while nothing is lost",
		with(func(b *memory.Broker) brokertest.Backend { return &restless{Broker: b} })},
}
