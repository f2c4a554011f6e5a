package order_test

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest"
	"github.com/eventus-go/eventus/eventustest/internal/order"
	"github.com/eventus-go/eventus/store/memory"
	"pgregory.net/rapid"
)

// Commands and generators, and nothing else: all that the mutation check gives.
var (
	words = rapid.SampledFrom([]string{"a", "b", "c", ""})
	lines = rapid.Custom(func(t *rapid.T) order.Line {
		return order.Line{
			SKU:      words.Draw(t, "sku"),
			Quantity: rapid.Int64Range(0, 3).Draw(t, "quantity"),
			Price:    rapid.Int64Range(0, 9).Draw(t, "price"),
		}
	})
	times = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1e9).Draw(t, "seconds"), 0).UTC()
	})
	commands = []eventustest.Command[*order.Order]{
		eventustest.Do3((*order.Order).Open, words, rapid.SliceOfN(words, 0, 3), times),
		eventustest.Do1((*order.Order).Tag, words),
		eventustest.Do1((*order.Order).Add, lines),
		eventustest.Do1((*order.Order).Remove, words),
		eventustest.Do1((*order.Order).Code, rapid.MapOfN(words, rapid.Int64Range(0, 9), 0, 3)),
		eventustest.Do1((*order.Order).Annotate, words),
		eventustest.Do((*order.Order).Place),
	}
)

func TestLaws(t *testing.T) { eventustest.Check(t, order.Orders, commands...) }

func openViews(testing.TB) eventustest.ReadModel[*memory.Tx, order.Event, order.View] {
	views := order.NewViews()
	return eventustest.Projection(memory.New(), views, views.Get)
}

func TestViews(t *testing.T) { eventustest.CheckProjection(t, order.Orders, openViews, commands...) }

func TestContract(t *testing.T) { eventustest.Contract(t, order.Orders, "testdata/order.golden") }
