// Package brokertest proves that a message broker keeps the contract of package
// [broker], and measures it. It is for authors of backends, ours among them:
// every subtest is a clause of the contract, and its name is the sentence that
// holds or does not.
//
// # Using it
//
// A test and a benchmark hand over one function, which opens the backend:
//
//	func TestContract(t *testing.T)      { brokertest.Run(t, open) }
//	func BenchmarkContract(b *testing.B) { brokertest.Bench(b, open) }
//
//	func open(t testing.TB, ackWait time.Duration) brokertest.Backend {
//		return ... // a broker on a server or a namespace of its own; t.Cleanup closes it
//	}
//
// Each call of open returns a broker without messages and without
// subscriptions that shares nothing with those of earlier calls, and closes it
// by t.Cleanup. It is called once for each clause, some forty times in a run, so
// that it may start a server if that takes less than a second.
//
// Clauses run one after the other and change nothing outside of their broker, so
// that open and the whole test may run beside others. Within a clause several
// goroutines publish, fetch and settle at once, each fetching from a
// subscription of its own. One subscription has up to 600 unsettled messages:
// a server's limit, such as MaxAckPending, must allow them.
//
// # What a backend may lack
//
// [broker.Owner], [broker.Auditor], and a free choice of the acknowledgement wait.
// The clauses of an interface that the backend does not have are skipped, with
// what does not work then. Consumers use every other word of the contract without
// asking for it; what a server does not have, such as delays of Nak, Attempt, or
// InProgress, its backend makes up for in the client.
//
// Of the acknowledgement wait the suite asks for an hour, which stands for never
// (any that does not end within a test will do: say, five minutes), and, in the
// three clauses that wait for it, for a second. A backend whose server does not
// go so low skips them in open, aloud, with the reason, and tests them with a
// wait of its own:
//
//	if ackWait < 10*time.Second {
//		t.Skip("the server's least acknowledgement wait is 10 s")
//	}
//
// go test shows skipped tests with -v only.
//
// # Reading a failure
//
// The name of the subtest is the sentence that does not hold, and the doc
// comments of package broker are its long form. One clause runs by its sentence,
// with underscores for spaces:
//
//	go test -run '^TestContract$/^messages_with_one_key_keep_their_order$'
//
// One defect can break many clauses. Begin with the first that fails, which
// go test -failfast stops at.
//
// "context deadline exceeded" means that a message did not come, or that a call
// did not return: every call has a minute, or half of the time that is left
// until go test's -timeout, which with -timeout=20s is soon. That something does
// not come is never proved by waiting for it, but by a later message that comes
// instead. The suite takes no random input: there are no flags.
//
// # Benchmarks
//
//	go test -run '^$' -bench Contract -count 5
//
// Messages have 300 bytes of data and the headers of an event, and figures are
// "messages/s", whatever an operation does. Compare them between commits or
// between backends on one machine, as averages of several runs. "publish 1
// message" with 1 and 16 publishers shows what a confirmation costs and whether
// confirmations are waited for side by side; "publish 100 messages", what a
// relay gets; "publish, fetch and ack", what passes from a relay to a consumer
// that keeps up.
//
// # What it does not prove
//
// The suite knows one process, one connection, and a server that stays up. It
// proves nothing about
//
//   - restarts, lost connections, failover and lost storage: whether what was
//     confirmed survives them, and whether Fetch does;
//   - two processes under one name of a subscription;
//   - backlogs larger than a few thousand messages, and the server's memory;
//   - what retention drops, and for how long repeated IDs are recognised;
//   - order under redelivery: consumers compare versions for that.
//
// Tests of that kind belong to the backend; those of broker/jetstream show how.
package brokertest
