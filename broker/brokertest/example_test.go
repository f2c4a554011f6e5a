package brokertest_test

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/broker/brokertest"
	"github.com/eventus-go/eventus/broker/memory"
)

// In a backend's own test file, test and benchmark are functions of that file:
//
//	func TestContract(t *testing.T)      { brokertest.Run(t, open) }
//	func BenchmarkContract(b *testing.B) { brokertest.Bench(b, open) }
func Example() {
	var (
		t *testing.T // of TestContract
		b *testing.B // of BenchmarkContract
	)
	brokertest.Run(t, open)
	brokertest.Bench(b, open)
}

// open returns a broker without messages. The one in memory has nothing to
// close.
func open(_ testing.TB, ackWait time.Duration) brokertest.Backend {
	return memory.New(memory.Config{AckWait: ackWait})
}
