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
// # Why the broker has all of it in the end
//
// A broker can lose what it has confirmed. It loses the end of a place (a crash
// before a flush, an older disk) or all of it (a purge, a stream made again), and
// its session changes when the end is lost. So a message that is still there proves
// that all before it is there too. The store keeps of each place:
//
//   - the last message: its ID, and the broker's token of where it is;
//   - checkpoints: earlier messages that an audit has found there, with the position
//     up to which all messages of the place lie at or before them;
//   - the floor, if a loss was found: the position from which on messages are
//     published again.
//
// They are written with the marks of a page, and by the audit, in one transaction
// each. The audit reads them, at the start, with a new lease, after each failure
// and change of session, and every Config.AuditInterval, and asks the broker for
// the last message and the newest checkpoint:
//
//	last     newest checkpoint
//	there    there               nothing is lost: the last becomes a checkpoint
//	gone     there               the end is lost, behind the checkpoint
//	any      gone                all was lost, or the end from before the checkpoint
//
// After a loss the newest checkpoint that is there is the last message, and the
// floor follows its position. Without one the floor is the beginning. From there the
// relay reads the log and publishes again, in the order of positions, and raises the
// floor behind what it has published; nothing new is published meanwhile. A
// repair that is interrupted is one more audit: if the last message and the newest
// checkpoint are there, it goes on at the floor, and otherwise the floor is set
// back. So a failure, a loss, a refusal or a restart at any moment costs
// repetitions alone:
//
//   - What is confirmed and not marked is in the outbox. The audit does not count on it.
//   - What is sent while the session changes is not marked.
//   - What waits in the outbox will lie behind a checkpoint. The checkpoint's
//     position is smaller than that of the first one that waits.
//   - A place that has no checkpoint gets one from its first message, before others
//     are sent there. So a purge between the two is seen.
//   - Messages that are published again have new IDs, since a duplicate window would
//     drop the old ones; the event's ID in the envelope stays.
//
// What the broker drops because of its age is not lost, and is not looked for. A
// broker that drops messages for other reasons is not compared at all. Somebody
// who takes away old messages loses nothing either, as long as the newest checkpoint
// stays: all that was published within the last AuditInterval.
//
// Two losses are not found. One is of some messages before others that stay, such
// as single messages that somebody deletes. The other is of an end without a change
// of session, on a server where other programs have published more messages to the
// stream since than were lost.
//
// # Why order holds within a stream
//
// One relay publishes one page at a time, in the order of positions, and after a
// failure it starts again at the first message that was not confirmed. So a
// message can be repeated, and a repeated run of messages can follow, but the
// first copy of a version never comes before the first copy of an earlier one,
// unless the broker itself loses one in the middle of what is sent and keeps later
// ones. A connection that breaks does not do that. Its package says what does
// (jetstream.Broker.Publish).
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
