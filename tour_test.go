package eventus_test

import (
	"testing"

	"github.com/eventus-go/eventus/eventustest"
	"pgregory.net/rapid"
)

func TestAProductGetsANewPrice(t *testing.T) {
	eventustest.For(t, Products).
		Given(Created{"Widget"}, Repriced{1299}).
		When(func(p *Product) error { return p.Reprice(1499) }).
		Then(Repriced{1499})
}

func TestAPriceIsPositive(t *testing.T) {
	eventustest.For(t, Products).
		Given(Created{"Widget"}, Repriced{1299}).
		When(func(p *Product) error { return p.Reprice(0) }).
		ThenError(errPrice)
}

func TestTheLawsHold(t *testing.T) {
	names, prices := rapid.String(), rapid.IntRange(-1, 9)
	eventustest.Check(t, Products,
		eventustest.Do2((*Product).Create, names, prices),
		eventustest.Do1((*Product).Reprice, prices),
	)
}
