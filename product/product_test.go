package product_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest"
	. "github.com/eventus-go/eventus/product"
)

func eur(amount int64) Money { return Money{Amount: amount, Currency: "EUR"} }

var widget = Created{Name: "Widget", Price: eur(1299)}

func TestCreate(t *testing.T) {
	create := func(name string, price Money) func(*Product) error {
		return func(p *Product) error { return p.Create(name, price) }
	}
	t.Run("a product has a name and a price", func(t *testing.T) {
		eventustest.For(t, Products).When(create("Widget", eur(1299))).Then(widget)
	})
	t.Run("spaces around a name are left out", func(t *testing.T) {
		eventustest.For(t, Products).When(create(" \tWidget\n", eur(1299))).Then(widget)
	})
	t.Run("a name of 200 characters, whatever their bytes, is taken", func(t *testing.T) {
		name := strings.Repeat("é", 200)
		eventustest.For(t, Products).When(create(name, eur(1))).Then(Created{Name: name, Price: eur(1)})
	})
	t.Run("a product is created once", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(create("Other", eur(1))).ThenError(ErrExists)
	})
	for _, c := range []struct {
		name  string
		price Money
		rule  Rule
	}{
		{"", eur(1), ErrNoName},
		{" \n ", eur(1), ErrNoName},
		{strings.Repeat("é", 201), eur(1), ErrLongName},
		{"Wid\x00get", eur(1), ErrUnprintableName},
		{"Wid\nget", eur(1), ErrUnprintableName},
		{"Wid\xffget", eur(1), ErrUnprintableName},
		{"Widget", eur(0), ErrPriceNotPositive},
		{"Widget", eur(-1), ErrPriceNotPositive},
		{"Widget", eur(1 << 53), ErrPriceTooHigh},
		{"Widget", Money{1, ""}, ErrUnknownCurrency},
		{"Widget", Money{1, "eur"}, ErrUnknownCurrency},
		{"Widget", Money{1, "EURO"}, ErrUnknownCurrency},
		{"Widget", Money{1, "ZZZ"}, ErrUnknownCurrency},
		{"Widget", Money{1, "XXX"}, ErrUnknownCurrency},
		{"Widget", Money{1, "XTS"}, ErrUnknownCurrency},
	} {
		t.Run(string(c.rule), func(t *testing.T) {
			eventustest.For(t, Products).When(create(c.name, c.price)).ThenError(c.rule)
		})
	}
}

func TestReprice(t *testing.T) {
	reprice := func(price Money) func(*Product) error {
		return func(p *Product) error { return p.Reprice(price) }
	}
	t.Run("a product gets a new price", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(reprice(eur(1499))).Then(Repriced{eur(1499)})
	})
	t.Run("the price it has already is nothing new", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget, Repriced{eur(1499)}).When(reprice(eur(1499))).ThenNothing()
	})
	t.Run("the currency stays", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(reprice(Money{1299, "USD"})).ThenError(ErrOtherCurrency)
	})
	t.Run("the price is a price", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(reprice(eur(0))).ThenError(ErrPriceNotPositive)
	})
	t.Run("a discontinued product keeps its price", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget, Discontinued{}).When(reprice(eur(1))).ThenError(ErrDiscontinued)
	})
	t.Run("a product that is not there has none", func(t *testing.T) {
		eventustest.For(t, Products).When(reprice(eur(1))).ThenError(eventus.ErrNotFound)
	})
}

func TestRename(t *testing.T) {
	rename := func(name string) func(*Product) error {
		return func(p *Product) error { return p.Rename(name) }
	}
	t.Run("a product gets a new name", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(rename(" Gadget ")).Then(Renamed{"Gadget"})
	})
	t.Run("the name it has already is nothing new", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(rename("Widget ")).ThenNothing()
	})
	t.Run("the name is a name", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When(rename(" ")).ThenError(ErrNoName)
	})
	t.Run("a discontinued product keeps its name", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget, Discontinued{}).When(rename("Gadget")).ThenError(ErrDiscontinued)
	})
	t.Run("a product that is not there has none", func(t *testing.T) {
		eventustest.For(t, Products).When(rename("Gadget")).ThenError(eventus.ErrNotFound)
	})
}

func TestDiscontinue(t *testing.T) {
	t.Run("a product is discontinued", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget).When((*Product).Discontinue).Then(Discontinued{})
	})
	t.Run("doing so again is nothing new", func(t *testing.T) {
		eventustest.For(t, Products).Given(widget, Discontinued{}).When((*Product).Discontinue).ThenNothing()
	})
	t.Run("a product that is not there cannot be", func(t *testing.T) {
		eventustest.For(t, Products).When((*Product).Discontinue).ThenError(eventus.ErrNotFound)
	})
}

func TestState(t *testing.T) {
	eventustest.For(t, Products).
		Given(widget, Renamed{"Gadget"}, Repriced{eur(1499)}).
		When((*Product).Discontinue).
		ThenState(func(t testing.TB, got State) {
			if want := (State{Name: "Gadget", Price: eur(1499), Discontinued: true}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
}

func TestZeroValue(t *testing.T) {
	var p Product
	if err := p.Create("Widget", eur(1299)); err != nil || p.Version() != 1 || p.State().Name != "Widget" {
		t.Errorf("got version %d, state %+v, error %v", p.Version(), p.State(), err)
	}
}

func TestIDs(t *testing.T) {
	for _, id := range []string{NewID(), "a", "...", "a/../b", "%2F", " ", "é", strings.Repeat("x", 512)} {
		if err := CheckID(id); err != nil {
			t.Errorf("%q is refused: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a\x00", "\xff", strings.Repeat("x", 513)} {
		if err := CheckID(id); !errors.Is(err, eventus.ErrInvalid) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}
