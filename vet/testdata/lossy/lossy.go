// Package lossy has events with fields that do not survive the store.
package lossy

import (
	"encoding"
	"encoding/json"
	"math/big"
	"net/netip"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/vet/testdata/lossy/money"
	"github.com/google/uuid"
)

type State struct{ cache map[string]any }

type Event interface{ eventus.Event[State] }

type Order struct {
	eventus.Aggregate[State, Event]
}

// Kept survives.
type Kept struct {
	ID       uuid.UUID
	At       time.Time
	For      time.Duration
	Sum      *big.Int
	Price    money.Exact
	Raw      json.RawMessage
	From     netip.Addr
	Bytes    []byte
	Named    map[netip.Addr][]*Part
	Omitted  int `json:",omitzero"`
	Embedded time.Time
	_        int
	Stamp
	base
	*named `json:"named"`
}

type Part struct {
	Name  string
	Parts []Part
}

type Stamp struct{ By string }

type base struct{ Version int }

type named struct{ Of string }

// Sealed encodes itself.
type Sealed struct{ secret string }

func (Sealed) MarshalJSON() ([]byte, error)  { return nil, nil }
func (*Sealed) UnmarshalJSON(b []byte) error { return nil }

type Lost struct {
	Name     string
	note     string                 // want `Lost.note is unexported: the codec drops it; export it, or give its struct MarshalJSON and UnmarshalJSON`
	Secret   string                 `json:"-"` // want `Lost.Secret has the tag json:"-": the codec drops it`
	Any      any                    // want `Lost.Any is an interface: the codec cannot tell which type to read; use a concrete type`
	Err      error                  // want `Lost.Err is an interface`
	Events   []Event                // want `Lost.Events is an interface`
	Text     encoding.TextMarshaler // want `Lost.Text is an interface`
	Keyed    map[any]int            // want `Lost.Keyed is an interface`
	Done     chan int               // want `Lost.Done has no JSON: the event cannot be stored`
	Undo     func()                 // want `Lost.Undo has no JSON`
	Wave     complex128             // want `Lost.Wave has no JSON`
	Price    money.Amount           // want `Lost.Price.cents is unexported`
	Deep     map[string][]*inner
	Meant    any //eventusvet:ignore lossy it is a string or nil
	number       // want `Lost.number is unexported`
	*pointed     // want `Lost.pointed is an embedded pointer to an unexported struct`
}

type pointed struct{ X int }

type number int

type inner struct {
	Name string
	name string // want `Lost.Deep.name is unexported`
}

// Shared has the same struct; the field is told of once.
type Shared struct{ Inner inner }

// Promoted is stored as a time.
type Promoted struct {
	Name      string
	time.Time // its encoding stands for all
}

type old struct{ title string } // want `old.title is unexported`

// unused is no event: nothing registers it.
type unused struct{ name string }

func (Kept) Apply(*State)     {}
func (Sealed) Apply(*State)   {}
func (Lost) Apply(*State)     {}
func (Shared) Apply(*State)   {}
func (Promoted) Apply(*State) {}
func (unused) Apply(*State)   {}

type moved money.Moved

func (moved) Apply(*State) {}

var Orders = eventus.Define("order", eventus.New[Order],
	eventus.Type[Kept]("order.kept"),
	eventus.Type[Sealed]("order.sealed"),
	eventus.Type[Lost]("order.lost"),
	eventus.Type[Shared]("order.shared"),
	eventus.Type[Promoted]("order.promoted"), // want `Promoted is stored as its embedded Time alone: the codec drops the other fields; give Time a name`
	eventus.Type[moved]("order.moved"),       // want `moved.Reason is an interface`
	eventus.Upcast("order.kept.v0", func(old) Kept { return Kept{} }),
)
