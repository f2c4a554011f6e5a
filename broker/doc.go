// Package broker is the contract of a message broker: publish a batch,
// subscribe, acknowledge. Backends implement it (memory, jetstream), and
// [github.com/eventus-go/eventus/broker/brokertest] proves that they do.
//
// The broker is fan-out and a wake-up, not the truth. The contract asks for
// little, and consumers count on nothing more: a broker may repeat, delay,
// reorder and, with its disk, lose messages.
package broker
