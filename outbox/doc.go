// Package outbox moves messages from the store to the broker.
//
// # The loop
//
//	        +------------------------------------------------+
//	        v                                                |
//	+---------------+  some   +---------+  confirmed   +------------+
//	|  look for     |-------->| publish |------------->| mark those |
//	|  unpublished  |         +---------+              +------------+
//	+---------------+              | fewer than all          |
//	  |  ^     none                v                         |
//	  |  |                     +-------+                     |
//	  |  +---------------------| pause |<--------------------+
//	  v                        +-------+       an error
//	wait for an append or the poll
//
// # Why nothing is lost
//
// The outbox row of an event is committed with the event, and it is taken away
// only after the broker has confirmed the message. A crash at any point leaves
// the row in place, and the message is published again.
//
// # Why order holds within a stream
//
// One relay publishes one batch at a time, in the order of positions, and after
// a failure it starts again at the first message that was not confirmed. So a
// message can be repeated, and a repeated run of messages can follow, but the
// first copy of a version never comes before the first copy of an earlier one.
//
// Of several relays over one store one publishes, by a lease, and the others
// stand by. A relay that was paused may publish beside its successor for a
// moment and repeat what that one has published; consumers know duplicates and
// gaps by the version, and the outcome is the same.
package outbox
