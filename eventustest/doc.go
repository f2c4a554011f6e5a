// Package eventustest tests what is built on Eventus.
//
// [For] tests a decision of an aggregate in a sentence: given these events, when
// this is decided, then these are recorded. [Check] runs random histories and
// looks at the laws that every aggregate obeys; what breaks one is printed as a
// sentence to paste. [Contract] keeps the form of what is stored in a file.
// [ForProjection] and [CheckProjection] do for projections what For and Check do
// for aggregates, and [ForHandler] is for handlers that send commands or
// messages.
//
// The events of a test take the way they take in production: through the
// definition and its codec, into a store and back. An event that is not
// registered, and a field that the codec loses, fail the first test that
// touches them.
//
// docs/testing.md leads through all of it.
package eventustest
