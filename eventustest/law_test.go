package eventustest_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// thing is an aggregate of any state.
type thing[S any] struct {
	eventus.Aggregate[S, eventus.Event[S]]
}

func things[S any](types ...eventus.EventType[S]) *eventus.Definition[*thing[S], eventus.Event[S]] {
	return eventus.Define("thing", eventus.New[thing[S]], types...)
}

var few = rapid.IntRange(0, 5)

// Correct aggregates of unusual kinds, each of which was a false alarm once, or
// would not end.

type diceState struct{ Sum int }

type rolled struct{ Eyes int }

func (e rolled) Apply(s *diceState) { s.Sum += e.Eyes }

func roll(a *thing[diceState]) error {
	a.Record(rolled{rand.IntN(6) + 1})
	return nil
}

type clockState struct{ Last time.Time }

type touched struct{ At time.Time }

func (e touched) Apply(s *clockState) { s.Last = e.At }

func touch(a *thing[clockState]) error {
	a.Record(touched{time.Now().UTC().Truncate(time.Millisecond)})
	return nil
}

type shardState struct{ Shard uint32 }

type sharded struct{ Shard uint32 }

func (e sharded) Apply(s *shardState) { s.Shard = e.Shard }

func shard(a *thing[shardState]) error {
	h := fnv.New32a()
	h.Write([]byte(a.ID()))
	a.Record(sharded{h.Sum32() >> 7 % 4})
	return nil
}

type uuidState struct{ ID uuid.UUID }

type identified struct{ ID uuid.UUID }

func (e identified) Apply(s *uuidState) { s.ID = e.ID }

func identify(a *thing[uuidState]) error {
	id, err := uuid.Parse(a.ID())
	if err != nil {
		return err
	}
	a.Record(identified{uuid.NewSHA1(id, []byte{byte(a.Version())})})
	return nil
}

type calendar struct{ Days map[string]int }

type scheduled struct {
	From, To time.Time
	Every    time.Duration
}

func (e scheduled) Apply(s *calendar) {
	if s.Days == nil {
		s.Days = make(map[string]int)
	}
	for at := e.From; at.Before(e.To); at = at.Add(e.Every) {
		s.Days[at.Format(time.DateOnly)]++
	}
}

func schedule(a *thing[calendar], from, days, every int) error {
	const day = 24 * time.Hour
	begin := time.Date(2026, 1, 1+from, 0, 0, 0, 0, time.UTC)
	a.Record(scheduled{begin, begin.Add(time.Duration(days) * day), time.Duration(every) * day})
	return nil
}

// item is one thing by its id, as entities are.
type item struct {
	ID  string
	Qty int
}

func (i item) Equal(other item) bool { return i.ID == other.ID }

type basket struct{ Items []item }

type put struct{ Item item }

func (e put) Apply(s *basket) { s.Items = append(s.Items, e.Item) }

func putItem(a *thing[basket], id string, n int) error {
	a.Record(put{item{id, n}})
	return nil
}

type zoneState struct{ Zone *time.Location }

type zoneSet struct{ Zone string }

func (e zoneSet) Apply(s *zoneState) {
	s.Zone, _ = time.LoadLocation(e.Zone) //eventusvet:ignore impure the state is compared by the name of its zone
}

func setZone(a *thing[zoneState], zone string) error {
	a.Record(zoneSet{zone})
	return nil
}

type node struct {
	name  string
	peers []*node
}

type graph struct{ nodes map[string]*node }

type linked struct{ A, B string }

func (s *graph) get(name string) *node {
	if s.nodes == nil {
		s.nodes = make(map[string]*node)
	}
	if s.nodes[name] == nil {
		s.nodes[name] = &node{name: name}
	}
	return s.nodes[name]
}

func (e linked) Apply(s *graph) {
	a, b := s.get(e.A), s.get(e.B)
	a.peers, b.peers = append(a.peers, b), append(b.peers, a)
}

func link(a *thing[graph], x, y string) error {
	a.Record(linked{x, y})
	return nil
}

type loyalty struct {
	N     int
	Loyal bool
}

type bought struct{ Cents int }

func (e bought) Apply(s *loyalty) {
	s.N++
	if e.Cents >= 100_000 {
		s.Loyal = true
	}
}

func buy(a *thing[loyalty], cents int) error {
	a.Record(bought{cents})
	return nil
}

type average struct {
	sum, n  int
	average float64
	next    func()
}

type measured struct{ Value int }

func (e measured) Apply(s *average) {
	s.sum += e.Value
	s.average = float64(s.sum) / float64(s.n)
	if s.n == 0 {
		s.average = math.NaN()
	}
	s.next = func() {}
}

func measure(a *thing[average], value int) error {
	a.Record(measured{value})
	return nil
}

type iban struct{ country string }

func (i iban) MarshalText() ([]byte, error) { return []byte(i.country), nil }

func (i *iban) UnmarshalText(text []byte) error {
	i.country = string(text[:2])
	return nil
}

type holder struct{ IBAN iban }

type assigned struct{ IBAN iban }

func (e assigned) Apply(s *holder) { s.IBAN = e.IBAN }

func assign(a *thing[holder], country string) error {
	a.Record(assigned{iban{country}})
	return nil
}

type sortedState struct{ Words []string }

type sorted struct{ Words []string }

func (e sorted) Apply(s *sortedState) { s.Words = slices.Clone(e.Words) }

func sortWords(a *thing[sortedState], words []string) error {
	slices.Sort(words)
	a.Record(sorted{words})
	return nil
}

func TestCorrectAggregatesKeepTheLaws(t *testing.T) {
	t.Run("dice", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[rolled]("rolled")), eventustest.Do(roll))
	})
	t.Run("a clock in a command", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[touched]("touched")), eventustest.Do(touch))
	})
	t.Run("a command that looks at the id", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[sharded]("sharded")), eventustest.Do(shard))
	})
	t.Run("an id that is a UUID", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[identified]("identified")), eventustest.Do(identify))
	})
	t.Run("an Apply that counts from one time to another", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[scheduled]("scheduled")),
			eventustest.Do3(schedule, rapid.IntRange(0, 9), rapid.IntRange(0, 30), rapid.IntRange(1, 10)))
	})
	t.Run("an Equal that compares ids", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[put]("put")), eventustest.Do2(putItem, words, few))
	})
	t.Run("a zone in the state", func(t *testing.T) {
		eventustest.LawsOf(things(eventus.Type[zoneSet]("zone")),
			eventustest.Do1(setZone, rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York"}))).WithoutSnapshots().Check(t)
	})
	t.Run("a state that leads back to itself", func(t *testing.T) {
		eventustest.LawsOf(things(eventus.Type[linked]("linked")), eventustest.Do2(link, words, words)).WithoutSnapshots().Check(t)
	})
	t.Run("a threshold", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[bought]("bought")), eventustest.Do1(buy, rapid.IntRange(1, 20_000_000)))
	})
	t.Run("a function and no number in the state", func(t *testing.T) {
		eventustest.LawsOf(things(eventus.Type[measured]("measured")), eventustest.Do1(measure, few)).WithoutSnapshots().Check(t)
	})
	t.Run("a type that panics on what is not for it", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[assigned]("assigned")), eventustest.Do1(assign, rapid.SampledFrom([]string{"DE", "FR", "NL"})))
	})
	t.Run("a command that sorts its argument", func(t *testing.T) {
		eventustest.Check(t, things(eventus.Type[sorted]("sorted")), eventustest.Do1(sortWords, rapid.SliceOfN(words, 0, 4)))
	})
	t.Run("a message that tells of an id is about the id that is set", func(t *testing.T) {
		n := 0
		orders := func(a *thing[diceState]) error {
			if !strings.HasPrefix(a.ID(), "ORD-") {
				return fmt.Errorf("%s is no order", a.ID())
			}
			return roll(a)
		}
		eventustest.LawsOf(things(eventus.Type[rolled]("rolled")), eventustest.Do(orders)).
			IDs(func() string { n++; return fmt.Sprintf("ORD-%d", n) }).Check(t)
		eventustest.For(t, things(eventus.Type[rolled]("rolled"))).Of("ORD-1").Given(rolled{1}).When(orders).ThenLaws()
	})
}

// Old forms that are read whole, though no single value tells.
func TestUpcastsThatReadAll(t *testing.T) {
	type person struct {
		Active bool
		Name   string
		Day    time.Time
	}
	type status struct{ Status string }
	type titled struct{ Name, Title string }
	type dated struct{ Day string }
	for name, old := range map[string]eventus.EventType[person]{
		"a word that is one of two": eventus.Upcast("old", func(o status) joined[person] {
			return joined[person]{person{Active: o.Status == "ACTIVE"}}
		}),
		"a field that stands in for another": eventus.Upcast("old", func(o titled) joined[person] {
			if o.Name == "" {
				o.Name = o.Title
			}
			return joined[person]{person{Name: o.Name}}
		}),
		"a date": eventus.Upcast("old", func(o dated) joined[person] {
			day, _ := time.Parse("02.01.2006", o.Day)
			return joined[person]{person{Day: day}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			eventustest.Check(t, things(eventus.Type[joined[person]]("joined"), old), eventustest.Do1(func(a *thing[person], p person) error {
				a.Record(joined[person]{p})
				return nil
			}, rapid.Custom(func(t *rapid.T) person {
				return person{rapid.Bool().Draw(t, "active"), words.Draw(t, "name"), time.Unix(int64(few.Draw(t, "day"))*1e6, 0).UTC()}
			})))
		})
	}
}

type joined[S any] struct{ Who S }

func (e joined[S]) Apply(s *S) { *s = e.Who }

// Faults that were missed once.

type sharedMap struct {
	LastKey string
	LastN   int
	Codes   map[string]int
}

type coded struct {
	Key string
	N   int
}

var common = make(map[string]int)

func (e coded) Apply(s *sharedMap) {
	s.LastKey, s.LastN = e.Key, e.N
	s.Codes = common //eventusvet:ignore impure the test shows how it is found
	s.Codes[e.Key] = e.N
}

type sharedSlice struct {
	Last string
	Tags []string
}

type tagged struct{ Tag string }

var defaults = append(make([]string, 0, 64), "default")

func (e tagged) Apply(s *sharedSlice) {
	s.Last = e.Tag
	s.Tags = append(defaults, e.Tag) //eventusvet:ignore impure the test shows how it is found
}

type halfDay struct{ Morning bool }

type woke struct{}

func (woke) Apply(s *halfDay) {
	s.Morning = time.Now().Hour() < 12 //eventusvet:ignore impure the test shows how it is found
}

type lines struct{ Lines []item }

type imported struct{ Lines []item }

func (e imported) Apply(s *lines) {
	if len(e.Lines) > 0 {
		s.Lines = append(slices.Clone(s.Lines), e.Lines[0])
	}
}

type pointed struct{ IDs []string }

type listed struct{ Items []*item }

func (e listed) Apply(s *pointed) {
	s.IDs = slices.Clone(s.IDs)
	for _, i := range e.Items {
		s.IDs = append(s.IDs, i.ID)
	}
}

type base struct {
	eventus.Aggregate[diceState, eventus.Event[diceState]]
	last int
}

type based struct{ base }

func (b *based) Roll(n int) error {
	if b.last == n {
		return errors.New("again")
	}
	b.last = n
	b.Record(rolled{n})
	return nil
}

type totals struct{ Total int }

type addedTo struct {
	ID    uuid.UUID
	Total int
}

func (e addedTo) Apply(s *totals) { s.Total = e.Total }

type titled struct {
	Name string
	Note string // which Apply forgets
}

func (e titled) Apply(s *string) { *s = e.Name }

type audit struct{ By string }

type audited struct {
	audit // which Apply forgets
	N     int
}

func (e audited) Apply(s *diceState) { s.Sum += e.N }

type guests struct{ Names []string }

type invited struct{ Names []string }

type uninvited struct{ Name string }

func (e invited) Apply(s *guests) { s.Names = e.Names }

// Apply writes to the names of the event that the state kept.
func (e uninvited) Apply(s *guests) {
	slices.Sort(s.Names)
	if i, ok := slices.BinarySearch(s.Names, e.Name); ok {
		s.Names = append(slices.Clone(s.Names[:i]), s.Names[i+1:]...)
	}
}

func TestFaultsThatWereMissed(t *testing.T) {
	seen := make(map[string]int)
	for name, c := range map[string]failing{
		"a map that is shared by assignment": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[coded]("coded")), eventustest.Do2(func(a *thing[sharedMap], key string, n int) error {
					a.Record(coded{key, n})
					return nil
				}, words, few))
			},
			[]string{"law broken: "}},
		"a slice that is shared by append": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[tagged]("tagged")), eventustest.Do1(func(a *thing[sharedSlice], tag string) error {
					a.Record(tagged{tag})
					return nil
				}, words))
			},
			[]string{"two aggregates share nothing"}},
		"what is behind the first element": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[imported]("imported")), eventustest.Do1(func(a *thing[lines], all []item) error {
					a.Record(imported{all})
					return nil
				}, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item { return item{words.Draw(t, "id"), few.Draw(t, "n")} }), 0, 3)))
			},
			[]string{"Apply uses every field", "the field Lines[1] of imported"}},
		"a part behind pointers in a list": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[listed]("listed")), eventustest.Do1(func(a *thing[pointed], id string) error {
					a.Record(listed{[]*item{{id, 1}}})
					return nil
				}, words))
			},
			[]string{"Apply uses every field", "the field Items.Qty of listed"}},
		"memory in an embedded base": {
			func(t testing.TB) {
				eventustest.Check(t, eventus.Define("thing", eventus.New[based], eventus.Type[rolled]("rolled")), eventustest.Do1((*based).Roll, few))
			},
			[]string{"an aggregate remembers its state and nothing else", "base.last"}},
		"a stale decision beside a new id": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[addedTo]("added")), eventustest.Do1(func(a *thing[totals], n int) error {
					total, ok := seen[a.ID()]
					if !ok {
						total = a.State().Total
						seen[a.ID()] = total
					}
					delete(seen, fmt.Sprint(n))
					a.Record(addedTo{uuid.New(), total + n + 1})
					return nil
				}, few))
			},
			[]string{"a command that is retried after a conflict decides on fresh state", "Total"}},
		"an event that a later Apply sorts": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[invited]("invited"), eventus.Type[uninvited]("uninvited")),
					eventustest.Do1(func(a *thing[guests], names []string) error {
						a.Record(invited{slices.Clone(names)})
						return nil
					}, rapid.SliceOfN(words, 0, 4)),
					eventustest.Do1(func(a *thing[guests], name string) error {
						a.Record(uninvited{name})
						return nil
					}, words))
			},
			[]string{"Apply keeps no reference into an event that a later Apply writes through", "keep a copy, by slices.Clone"}},
		"a field of an embedded struct that is not exported": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[audited]("audited")), eventustest.Do2(func(a *thing[diceState], n int, by string) error {
					a.Record(audited{audit{by}, n})
					return nil
				}, few, words))
			},
			[]string{"the field audit.By of audited makes no difference"}},
		"a field of an event that is rare": {
			func(t testing.TB) {
				eventustest.Check(t, things(eventus.Type[titled]("titled")), eventustest.Do3(func(a *thing[string], name, note string, n int) error {
					if n != 60 {
						return errors.New("not now")
					}
					a.Record(titled{name, note})
					return nil
				}, words, words, rapid.IntRange(0, 99)))
			},
			[]string{"the field Note of titled makes no difference"}},
		"a field that is not there is not dropped": {
			func(t testing.TB) {
				eventustest.LawsOf(things(eventus.Type[rolled]("rolled")), eventustest.Do(roll)).Drops("rolled", "Eye").Check(t)
			},
			[]string{`Drops("rolled", "Eye"): rolled has no field of that path; it has ["Eyes"]`}},
		"an event that is not there is not dropped": {
			func(t testing.TB) {
				eventustest.LawsOf(things(eventus.Type[rolled]("rolled")), eventustest.Do(roll)).Drops("roled", "").Check(t)
			},
			[]string{`Drops("roled", ""): thing has no event of that name; it has ["rolled"]`}},
	} {
		t.Run(name, c.check)
	}
}

// Among the times at which events are applied again are mornings and evenings,
// all days of the week and all quarters, so that one of them shows at any time.
func TestOtherTimesDiffer(t *testing.T) {
	var mornings, evenings int
	days, quarters := make(map[time.Weekday]bool), make(map[time.Month]bool)
	eventustest.Elsewhen(t, func() {
		days[time.Now().Weekday()] = true
		quarters[(time.Now().Month()-1)/3] = true
		var s halfDay
		if (woke{}).Apply(&s); s.Morning {
			mornings++
		} else {
			evenings++
		}
	})
	if mornings == 0 || evenings == 0 {
		t.Errorf("%d mornings, %d evenings", mornings, evenings)
	}
	if len(days) != 7 || len(quarters) != 4 {
		t.Errorf("the days %v, %d quarters", days, len(quarters))
	}
}
