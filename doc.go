// Package eventus is a framework for CQRS and event sourcing: typed aggregates,
// an event store with a transactional outbox, and consumers whose effect
// happens once.
//
// A service declares a state, its events, an aggregate that embeds
// [Aggregate], and one [Define] that ties them together; a [Repository] loads
// and stores the aggregates. Domain code needs this package alone. The parts
// around it live in packages of their own:
//
//   - store/memory, store/sqlite and store/postgres keep the events.
//   - outbox relays them to a broker, broker/jetstream for one.
//   - consume runs handlers and projections, each effect once.
//   - eventustest tests aggregates by given, when, then.
//
// Nothing here is global: two definitions, two repositories and two tests never
// meet. Nothing is found by reflection: what a definition holds is known to the
// compiler.
package eventus
