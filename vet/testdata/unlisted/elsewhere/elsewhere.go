// Package elsewhere has a state and an event of it, and defines no aggregate.
package elsewhere

import "github.com/eventus-go/eventus"

type State struct{}

type Lost struct{}

func (Lost) Apply(*State) {}

var _ eventus.Event[State] = Lost{}
