// Package jetstream is a message broker on NATS JetStream: the contract of
// [github.com/eventus-go/eventus/broker] on one file-based stream.
//
// # Layout
//
// A message of the topic "product" goes to the subject eventus.product.<n>,
// where n is the FNV-1a hash of its Key modulo the number of partitions.
// JetStream keeps every subject of a stream in memory, so there is never one
// for each key. A durable subscription is a durable pull consumer
// "<name>@<topic>", with the filter eventus.product.*. Whose the topic is says a
// message on eventus.product.owner.history, which that filter leaves out.
//
// A message's ID travels as Nats-Msg-Id and its Key as Eventus-Key, both
// escaped as in a URL's path; its headers and data are those of the NATS
// message. Headers that NATS reads itself ("Nats-...", "Status",
// "Description") and the names Eventus-Key and Eventus-Again are refused by
// Publish.
//
// # What the server promises
//
// JetStream confirms a message when it is written, and flushes it to disk later
// (sync_interval, 2 minutes). A crash of the machine, or of one server and then
// another, takes confirmed messages with it; sync_interval: always does not.
// It drops a message whose ID it has seen within the duplicate window (2
// minutes), also when it does not have the message any more; Publish looks, and
// sends it under another ID then, with the header Eventus-Again. Headers are limited to 64 KiB, header and data
// together to max_payload (1 MiB).
//
// A stream whose limits lose messages is refused: max_msgs or max_bytes with the
// discard policy "old", max_msgs_per_subject, a max_age shorter than Config.MaxAge,
// no_ack, sealed, mirror. Config.AllowLoss accepts them.
//
// # The connection
//
// Credentials, TLS and the servers of a cluster are options of the connection,
// which the caller makes; Config.Replicas says on how many servers of a cluster
// a message is kept.
//
// Publish uses a second connection, which it makes with the options of the first
// as they were when New was called, but for the callbacks: of those it calls only
// the error handler, when the server denies it a right. It names the server of the
// first connection first. The second connection never reconnects, and one that
// broke is replaced by the next Publish. So a disconnect loses the end of what was
// sent, and nothing overtakes what was lost. The server counts two connections for
// each program that publishes.
//
// Connect with nats.MaxReconnects(-1): the client gives up after 60 attempts
// otherwise.
package jetstream
