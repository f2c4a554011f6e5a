package cloudevents

import "github.com/eventus-go/eventus/store"

// Event is what a message of the broker holds. Source and ID together name it.
type Event struct {
	// Message is the event. In a message of a producer that counts no versions,
	// Version is 0. Stream.ID is the subject, and empty when there is none; Time
	// is zero when the producer does not say it. Neither happens beside a version
	// or in what Eventus publishes.
	store.Message
	// Source is what the publisher calls itself: a URI reference such as
	// "/shop", not empty, because CloudEvents wants one.
	Source string
	// History is the id of the history that the event is part of
	// ([store.Identity]). Empty in messages of producers that do not tell it.
	History string
	// Previous is the ID of the event before in the stream. Empty at version 1,
	// and in messages of producers that do not tell it.
	Previous string
}
