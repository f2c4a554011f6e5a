// Package consume runs handlers and projections over the messages of a broker,
// so that the effect of each message happens once.
//
// # What happens to a message
//
//	   broker                              log of the store
//	     |                                       |
//	     | live                                  | at the start, and every Sweep
//	     v                                       v
//	+--------------------------------------------------------+
//	|  one transaction for a batch; for each message compare |
//	|  its version with the mark (consumer, stream)          |
//	+--------------------------------------------------------+
//	     |              |                |              |
//	  v <= mark     v = mark+1       v > mark+1     has dead letters
//	     |              |                |              |
//	  passed over    handler        read what is     queued behind
//	     |          |       |       missing from     them
//	     |         ok     error     the log, or wait    |
//	     |          |       |            |              |
//	     |      mark moves  |            +--> again     |
//	     v          v       v                           v
//	    ack        ack   roll back the batch, then      ack
//	                     each message by itself: the
//	                     one to blame waits and is
//	                     tried again; after Attempts
//	                     it is parked in dead_letters
//
// # Why nothing is lost, and nothing happens twice
//
// The mark moves in the transaction of the handler's own writes, and only from
// v-1 to v. So each version takes effect once and in order, whatever the broker
// repeats, delays, reorders or loses.
//
// A message is acknowledged after that transaction has committed. One that the
// broker loses shows as a gap when the next of its stream comes, and is read
// from the log. The last one of a stream leaves no gap: for it, and for a broker
// that lost everything, the runner walks the log from the position up to which
// it has seen all, at its start and every Sweep. That position moves only over
// messages that are done. A rebuild is the same walk from position 0, and the
// seam between it and the live messages needs no care: the marks tell.
//
// Without the log a gap can only wait: the message is asked for again for about
// two minutes, then it is parked, so that the gap shows and holds nobody else
// up. It is never jumped.
//
// # What is in memory
//
// One batch of messages, one page of the log, and a small entry for each stream
// that waits for a retry, of which there are at most 1,000.
package consume
