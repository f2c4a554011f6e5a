package product_test

import (
	"testing"

	"github.com/eventus-go/eventus/eventustest"
	. "github.com/eventus-go/eventus/product"
	"pgregory.net/rapid"
)

// What commands are tried with. The values are few, so that they meet again: a
// price that is the price already, a name that is the name; and some are bad.
var (
	names  = rapid.SampledFrom([]string{"Widget", "Gadget", "Lamp", " Lamp ", "Wid\x00get"})
	prices = rapid.Custom(func(t *rapid.T) Money {
		return Money{
			Amount:   rapid.Int64Range(0, 5).Draw(t, "amount"),
			Currency: rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD", "eur"}).Draw(t, "currency"),
		}
	})
	commands = []eventustest.Command[*Product]{
		eventustest.Do2((*Product).Create, names, prices),
		eventustest.Do1((*Product).Reprice, prices),
		eventustest.Do1((*Product).Rename, names),
		eventustest.Do((*Product).Discontinue),
	}
)

// aProductHasAPrice holds after every command that is accepted.
func aProductHasAPrice(s State) error { return s.Price.Check() }

var laws = eventustest.LawsOf(Products, commands...).Invariant(aProductHasAPrice)

func TestLaws(t *testing.T) { laws.Check(t) }

func FuzzLaws(f *testing.F) { laws.Fuzz(f) }

// What was stored once is read for ever.
func TestContract(t *testing.T) { eventustest.Contract(t, Products, "testdata/product.golden", widget) }
