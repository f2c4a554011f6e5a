package storetest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

// In a backend's own test file, test and benchmark are functions of that file:
//
//	func TestContract(t *testing.T)      { storetest.Run(t, open) }
//	func BenchmarkContract(b *testing.B) { storetest.Bench(b, open) }
func Example() {
	var (
		t *testing.T // of TestContract
		b *testing.B // of BenchmarkContract
	)
	storetest.Run(t, open)
	storetest.Bench(b, open)
}

// open returns an empty store beside a read model, which here is a map. The
// store in memory has nothing to close, and nothing to open again.
func open(testing.TB) storetest.Backend[*memory.Tx] {
	var mu sync.Mutex
	views := make(map[string]string)
	return storetest.Backend[*memory.Tx]{
		Store: memory.New(),
		Put: func(_ context.Context, tx *memory.Tx, key, value string) error {
			tx.OnCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				views[key] = value
			})
			return nil
		},
		Get: func(_ context.Context, key string) (string, bool, error) {
			mu.Lock()
			defer mu.Unlock()
			value, ok := views[key]
			return value, ok, nil
		},
	}
}
