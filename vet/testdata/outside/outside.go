// Package outside records events where it should and where it should not.
package outside

import "github.com/eventus-go/eventus"

type State struct{}

type Event interface{ eventus.Event[State] }

type Opened struct{}

func (Opened) Apply(*State) {}

type Account struct {
	eventus.Aggregate[State, Event]
}

func (a *Account) Open() {
	a.Record(Opened{})
	a.Aggregate.Record(Opened{})
	each(func() { a.Record(Opened{}) })
	each2(a.Record)
}

// Premium is an account, too.
type Premium struct{ Account }

func (p *Premium) Open() {
	p.Record(Opened{})
	p.Account.Record(Opened{})
}

func each(f func()) { f() }

func each2(f func(Event)) { f(Opened{}) }

func open(a *Account) {
	a.Record(Opened{}) // want `Record outside of the methods of Account: make the decision a method of it, and call that`
}

var openAll = func(accounts []*Premium) {
	for _, a := range accounts {
		a.Record(Opened{}) // want `Record outside of the methods of Premium`
	}
}

type handler struct{ account *Account }

func (h handler) Handle() {
	each(func() { h.account.Record(Opened{}) }) // want `Record outside of the methods of Account`
	each2(h.account.Record)                     // want `Record outside of the methods of Account`
	h.account.Record(Opened{})                  //eventusvet:ignore outside the rules do not hold for a migration
	h.account.Open()
}

func byExpression() func(*Account, Event) {
	return (*Account).Record // want `Record outside of the methods of Account`
}

// Other is an aggregate with events of its own.
type Other struct {
	eventus.Aggregate[Sum, SumEvent]
}

type Sum struct{}

type SumEvent interface{ eventus.Event[Sum] }

func (o *Other) Open(a *Account) {
	a.Record(Opened{}) // want `Record outside of the methods of Account`
}

type tape struct{}

func (*tape) Record(Event) {}

func record(t *tape) { t.Record(Opened{}) }
