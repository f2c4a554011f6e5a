package memory_test

import (
	"context"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

func TestContract(t *testing.T) { storetest.Run(t, open) }

func BenchmarkContract(b *testing.B) { storetest.Bench(b, open) }

// open returns an empty store beside a read model in memory.
func open(testing.TB) storetest.Backend[*memory.Tx] {
	var mu sync.Mutex
	values := make(map[string]string)
	s := memory.New()
	return storetest.Backend[*memory.Tx]{
		Store:  s,
		Rewind: func(_ testing.TB, after int64) { s.Rewind(after) },
		Put: func(_ context.Context, tx *memory.Tx, key, value string) error {
			tx.OnCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				values[key] = value
			})
			return nil
		},
		Get: func(_ context.Context, key string) (string, bool, error) {
			mu.Lock()
			defer mu.Unlock()
			value, ok := values[key]
			return value, ok, nil
		},
	}
}
