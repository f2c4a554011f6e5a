// Package outbox moves messages from the store to the broker.
//
// # The loop
//
//	                    +--------------------------------------------------+
//	                    v                                                  |
//	+-------+   +---------------+ some +---------+ confirmed +----------+  |
//	| audit |-->| look for      |----->| publish |---------->| mark     |--+
//	+-------+   | unpublished   |      +---------+           | those    |
//	    ^       +---------------+         |    |             +----------+
//	    |          |  ^  none             |    | one is refused
//	    |          v  |                   |    v
//	    |     wait for an append          |  note it, go on without its stream
//	    |     or the poll                 |
//	    +---------- pause <---------------+ an error
//
// While a page is published, the next one is read and the one before is marked.
// A look goes on behind the last position that was read ([store.Outbox]'s next),
// and not at the front of the outbox: under a snapshot that a dump holds, the front
// is as long as all that was published since.
//
// # Why nothing is lost
//
// The outbox row of an event is committed with the event, and it is taken away
// only after the broker has confirmed the message. A crash at any point leaves
// the row in place, and the message is published again. The relay moves on behind a
// page only once the page is marked; after an error it reads again from there. The
// store never passes a position that may still be committed.
//
// A broker can lose what it has confirmed. With the mark of a page the store keeps
// what was confirmed last at each place of the broker, and the broker's word for
// where it is. The audit asks for that message: at the start, with a new lease,
// after each failure and reconnect, and every Config.AuditInterval. If it is not
// there, and the broker's own retention does not explain that, the relay reads the
// log and publishes again, at each place behind the broker's last message of this
// store, in the order of positions. The new messages have new IDs, since a
// duplicate window would drop the old ones; the event's ID in the envelope stays.
//
// Between two audits a purge is not seen. When more is published at the place in
// that time, the relay still finds out, because it asks for the message of the
// audit before as well; but not when it is restarted in between.
//
// # Why order holds within a stream
//
// One relay publishes one page at a time, in the order of positions, and after a
// failure it starts again at the first message that was not confirmed. So a
// message can be repeated, and a repeated run of messages can follow, but the
// first copy of a version never comes before the first copy of an earlier one.
//
// A message that the broker refuses for good waits in the outbox with its error.
// The store gives no later message of its stream until it is readmitted, and the
// relay leaves those out that it has read already. Readmitted, the message is the
// first of its stream again: the relay goes back to its position. A repair leaves
// out what is in the outbox, and what follows it in its stream.
//
// After a loss that nobody has noticed, a new message can be there before those that
// are published again. They follow with the audit, and readers put them in order by
// the version.
//
// Of several relays over one store one publishes, by a lease, and the others
// stand by. A relay that was paused may publish beside its successor for a
// moment and repeat what that one has published; readers know duplicates and
// gaps by the version and the event's ID, and the outcome is the same.
//
// # Whose categories they are
//
// Where the broker is a [broker.Owner], the relay claims each category for the
// store's history before it publishes the first message there. A category of another
// store ends Run with an error: two histories in one topic would mix.
package outbox
