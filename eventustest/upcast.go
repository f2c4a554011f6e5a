package eventustest

import "github.com/eventus-go/eventus"

func upcasts[S any, E eventus.Event[S], A Aggregate[S, E]](d *eventus.Definition[A, E], dropped map[string]bool) *violation {
	return nil
}
