// Package impure has events that read more than themselves and the state.
package impure

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/vet/testdata/impure/stamp"
	"github.com/google/uuid"
)

type State struct {
	Name   string
	ID     uuid.UUID
	At     time.Time
	N      int
	F      float64
	Names  []string
	ByName map[string]int
	Sets   map[string]map[string]bool
}

type Event interface{ eventus.Event[State] }

type Clock struct{ At time.Time }

func (e Clock) Apply(s *State) { // want Apply:`impure: reads the clock \(time.Now\)`
	s.At = time.Now()                           // want `^Apply reads the clock \(time.Now\)$`
	s.N = int(time.Since(e.At))                 // want `reads the clock \(time.Since\)`
	s.At = e.At.Local()                         // want `reads the time zone of the machine \(time.Time.Local\)`
	s.At = e.At.In(time.Local)                  // want `reads the time zone of the machine \(time.Local\)`
	s.At = e.At.In(time.UTC).Add(time.Second)   // pure
	s.At = time.Unix(1, 0).Truncate(stamp.Unit) // pure
	s.N = int(stamp.Now())                      // want `Apply uses stamp.Now, which reads the clock \(time.Now\)`
	s.N = int(stamp.Of(e.At))                   // pure
	s.set(later(e.At))                          // want `Apply uses impure.later, which reads the clock \(time.Until\)`
	s.At = now()                                // want `Apply uses impure.now, which reads the clock \(time.Now\)`
	s.At = started                              // want `Apply uses impure.started, which reads the clock \(time.Now\)`
	func() { s.N = int(time.Until(e.At)) }()    // want `reads the clock \(time.Until\)`
	time.Sleep(1)                               //eventusvet:ignore impure the event is slow on purpose
	s.N = meant()
}

// Age is not Apply.
func (e Clock) Age() time.Duration { return time.Since(e.At) } // want Age:`impure`

func later(t time.Time) int { return through(t) } // want later:`impure`

func through(t time.Time) int { // want through:`impure`
	if t.IsZero() {
		return later(t)
	}
	return int(time.Until(t))
}

func meant() int {
	//eventusvet:ignore impure it is thrown away
	_ = time.Now()
	return 1
}

var now = time.Now

var started = time.Now()

func (s *State) set(n int) { s.N = n }

type Random struct{ Seed uint64 }

func (e Random) Apply(s *State) { // want Apply:`impure`
	s.N = rand.IntN(6)                             // want `reads a random source \(math/rand/v2.IntN\)`
	s.F = rand.Float64()                           // want `reads a random source`
	s.N = rand.New(rand.NewPCG(e.Seed, 0)).IntN(6) // pure: the seed is the event's
	_, _ = crand.Read(nil)                         // want `reads a random source \(crypto/rand.Read\)`
	s.ID = uuid.New()                              // want `makes a random id \(github.com/google/uuid.New\)`
	s.ID = uuid.Must(uuid.NewV7())                 // want `makes a random id`
	s.ID = uuid.NewSHA1(uuid.Nil, nil)             // pure
}

type World struct{ Err error }

func (e World) Apply(s *State) { // want Apply:`impure`
	s.Name = os.Getenv("NAME") // want `reads the environment \(os.Getenv\)`
	if os.IsNotExist(e.Err) || errors.Is(e.Err, ErrFixed) {
		s.N = len(os.Args) // want `reads the environment \(os.Args\)`
	}
	s.Name = fmt.Sprint(s.N)
}

var (
	limit     = 10
	names     = map[string]int{"a": 1}
	pattern   = regexp.MustCompile("^a")
	Exported  = 3
	ErrFixed  = errors.New("fixed")
	errSet    = errors.New("set")
	assigned  = 1
	addressed = 1
	filled    = map[string]int{}
	called    counter

	incremented, ranged int
)

const fixed = 1

type counter int

func (c *counter) next() int { *c++; return int(*c) }

func configure() { // want configure:`impure`
	incremented++
	for ranged = range 3 {
	}
	assigned = 2
	_ = &addressed
	delete(filled, "a")
	errSet = nil
}

type Globals struct{}

func (Globals) Apply(s *State) { // want Apply:`impure`
	s.N = limit + names["a"] + fixed + len(pattern.FindString(s.Name))
	s.N = Exported             // want `Apply uses the variable impure.Exported, which may change; make it a constant, or unexported and not written to`
	s.N = assigned             // want `uses the variable impure.assigned`
	s.N = addressed            // want `uses the variable impure.addressed`
	s.N = len(filled)          // want `uses the variable impure.filled`
	s.N = called.next()        // want `uses the variable impure.called`
	s.Name = stamp.Zone        // want `uses the variable stamp.Zone`
	s.N = incremented          // want `uses the variable impure.incremented`
	s.N = ranged               // want `uses the variable impure.ranged`
	s.N = uuid.ClockSequence() // not followed: it is another module's
	if errSet != nil {         // want `uses the variable impure.errSet`
		s.Name = "set"
	}
}

// Writer writes to its own event.
type Writer struct {
	Name  string
	Tags  []string
	Array [2]string
	Map   map[string]int
	To    *Clock
}

func (e Writer) Apply(s *State) {
	e.Name = "a copy"
	e.Array[0] = "of the copy"
	e.Tags[0] = "x"                        // want `writes to its own event \(e.Tags\[0\]\), which is recorded and stored; clone it first`
	e.Map["k"]++                           // want `writes to its own event`
	e.To.At = s.At                         // want `writes to its own event`
	*e.To = Clock{}                        // want `writes to its own event`
	delete(e.Map, "k")                     // want `writes to its own event`
	s.Names = append(e.Tags, s.Name)       // want `writes to its own event`
	s.Names = append(e.Tags[:1:1], s.Name) // pure: it has no room
	s.Names = append(s.Names, e.Tags...)   // pure
}

type Pointer struct{ Name string }

func (e *Pointer) Apply(s *State) {
	e.Name = "x" // want `writes to its own event`
	s.Name = e.Name
}

// Option is no event: nothing uses its argument as a state.
type Option struct{}

func (Option) Apply(c *config) { c.at = time.Now() } // want Apply:`impure`

type config struct{ at time.Time }
