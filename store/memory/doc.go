// Package memory is an event store in memory: the reference of the contract in
// package store, for tests, examples and trying things out. It keeps everything
// for as long as the [Store] lives and nothing longer.
package memory
