// Package consume runs handlers over events, so that what a handler writes takes
// effect once for each event.
//
// There are two kinds of consumers:
//
//   - [Follow] is for programs that can read the store. A follower reads the log
//     of the store, and the broker only wakes it.
//   - [Receive] is for programs that cannot. A receiver is fed by a broker alone,
//     and keeps an inbox in its own database.
//
// # A follower
//
//	   log of the store                 append of this process,
//	        |                           message at the broker, or time
//	        |  after the position,             |
//	        |  that place included             | wakes
//	        v                                  v
//	+-----------------------------------------------------+
//	| page: up to BatchSize events. The first one must be |---- another event, or none:
//	| the event at the segment's position                 |     the consumer is forked
//	+-----------------------------------------------------+
//	        |  the segment's streams, the consumer's categories
//	        v
//	+-----------------------------------------------------+
//	| chunk: the whole page at first                      |<--------+
//	+-----------------------------------------------------+         |
//	        |                                                       | smaller, until the
//	        v                                                       | message to blame
//	+-----------------------------------------------------+         | is alone
//	| transaction: call the handlers, then advance the    |--failed-+
//	| segment if the claim on it still holds              |         |
//	+-----------------------------------------------------+         | alone
//	        |                                                       v
//	        | commit                             +----------------------------------+
//	        v                                    | parked: a row for the stream,    |
//	the segment has moved on <-------------------| and the segment moves past it    |
//	                                             +----------------------------------+
//	                                                |        ^             |
//	                                        due     |        | failed      | too often
//	                                                v        |             v
//	                                         caught up from the log      poison: waits for
//	                                         in order, up to the         a redrive or a skip
//	                                         segment; the row goes
//
// A consumer has one row, a row for each of its segments, and a row for each
// stream in trouble. A stream belongs to one segment by the hash of its name.
// Each segment has a position, the id of the event at that position, and the
// claim of the member that works on it: an owner, an epoch and a lease.
//
// # Why nothing is lost
//
// The log never skips an event ([store.Log]). A page begins at the segment's
// position, and the position moves only in a transaction in which the handlers
// have been called for all events before it, except for those of parked streams.
// A parked stream has a row that was written in the transaction in which the
// segment moved past its first event. The row says which version is next. It goes
// in the transaction in which its stream has come to where the segment is. What
// does not commit is read again.
//
// # Why nothing happens twice
//
// A transaction advances the segment from the position that its member claims, at
// the epoch of its claim, or does not commit. Of two members that handle the same
// events one commits. That holds for a member that was stopped for an hour in the
// middle of a transaction as well: the segment has another epoch by then. A
// page is compared with the id at the position before any of its events is
// handled, so that events of another history, which have the same positions, are
// not taken for new ones.
//
// # Why nobody holds up anybody else
//
// A failure of one message parks its stream, and its segment goes on. Due streams
// are taken up between two pages, a batch of each. A transaction calls no further
// handler after half a second, and its context ends after half of
// [Config.LeaseDuration]. A member that ends without giving its segments back loses
// them when the lease ends. Its successor tries one message at a time for a while
// and notes each try before it is made, so that a message which ends the process
// is found and parked.
//
// Attempts count for the handler's own errors alone. Trouble with the database, a
// conflict and [Transient] count none. An event that the program cannot decode
// waits for a program that can.
//
// # Members and operators
//
// Any number of processes may run followers of one consumer. They divide its
// segments among themselves by rows alone. What operators ask for is a row too:
// see [Ask]. [States] shows how consumers are, and [Wait] returns when one has
// come to an event.
//
// # A receiver
//
// A receiver compares each message with the mark of its stream: the version and
// the event id of the last message that took effect.
//
//	v <= mark       a duplicate, passed over; another id at the mark is a fork
//	v == mark+1     handled, if the event before it is that of the mark
//	v  > mark+1     a gap: kept in the inbox until the missing messages come
//
// The mark moves in the transaction of the handler's own writes. A message is
// acknowledged after that transaction has committed, or after it was stored in the
// inbox to wait. So a stream that fails, or waits, does not fill the broker's
// window of unsettled messages. See [Receive] and [ReceiveConfig].
//
// # What is in memory
//
// A follower holds two pages of the log for each of its segments, a receiver one
// batch of messages. Nothing in memory grows with the number of streams.
package consume
