package storetest

import (
	"testing"

	"github.com/eventus-go/eventus/store"
)

func watchClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a channel of Watch is closed when an append commits after the call", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, event("before"))
			first, second := b.Watch(), b.Watch()
			for _, ch := range []<-chan struct{}{first, second} {
				select {
				case <-ch:
					t.Fatal("closed before any append")
				default:
				}
			}
			mustAppend(t, b, product, store.At(1), event("after"))
			<-first
			<-second
		}},
		{"a refused append wakes nobody", func(t *testing.T, b subject[Tx]) {
			ch := b.Watch()
			_, err := b.Append(t.Context(), product, store.At(3), events("lost", 1))
			mustConflict(t, err, product, store.At(3), 0)
			select {
			case <-ch:
				t.Fatal("closed by a conflict")
			default:
			}
		}},
		{"who takes the channel, looks and then waits misses no append", func(t *testing.T, b subject[Tx]) {
			const appends = 200
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range appends {
					if _, err := b.Append(t.Context(), product, store.Any, events("e", 1)); err != nil {
						t.Errorf("append: %v", err)
						return
					}
				}
			}()
			var after int64
			for seen := 0; seen < appends; { // a lost wake-up hangs here
				ch := b.Watch()
				page, err := b.Read(t.Context(), product, after, 10)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					<-ch
					continue
				}
				seen += len(page)
				after = page[len(page)-1].Version
			}
			<-done // the last one is stored before its caller knows
		}},
	}
}
