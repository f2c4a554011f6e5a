// Package eventustest tests aggregates in sentences: given these events, when
// this is decided, then these events are recorded.
//
// The events of a test take the way they take in production: through the
// definition and its codec, into a store and back. An event that is not
// registered, and a field that the codec loses, fail the first test that
// touches them.
package eventustest
