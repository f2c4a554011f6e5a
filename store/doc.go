// Package store is the contract of an event store. Backends implement it
// (memory, sqlite, ...), [github.com/eventus-go/eventus/store/storetest] proves
// that they do, and nothing here depends on any of them.
//
// The contract is a handful of small interfaces. A repository needs [Store]; the
// others are implemented by the same value, as far as a backend has them:
//
//   - [Store] appends to streams and reads them.
//   - [Log] reads the whole store in one order.
//   - [Outbox] lists what the broker has not confirmed yet.
//   - [Snapshots] keeps folded states as a cache.
//   - [Consumers] keeps how far each consumer of the log has come, in the database
//     that its handlers write to.
//   - [Inbox] keeps what each receiver has handled and what waits, in the database
//     that its handlers write to.
//   - [Watcher] wakes pollers of the same process.
//   - [Identity] tells this store's history from another's.
//   - [Leases] lets one of several processes do what only one should.
//
// # Words
//
// A stream is a category and an id. A version counts the events of one stream:
// 1, 2, 3, without holes. A position is an event's place in the whole log; it
// grows, and it may have holes. A message is an event with its envelope.
package store
