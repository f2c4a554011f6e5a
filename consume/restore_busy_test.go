package consume_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// TestRestoreUnderAppends runs schedules of TestRestore in which programs append
// while a backup is put back. Their appends fail, or are in the history before or
// in the one after. It has one schedule for five of TestRestore.
func TestRestoreUnderAppends(t *testing.T) {
	schedules, seed := restoreSchedules(t, 4, 5)
	for i, v := range []struct {
		name string
		open func(t testing.TB) disk
	}{
		{"SQLite", newFileDisk},
		{"PostgreSQL", newSchemaDisk},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			forked := 0
			for n := range schedules {
				t.Run(fmt.Sprint("seed ", seed+n), func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed+n, uint64(i)))
					if restore(t, random, newBusyDisk(v.open(t), random), nil) {
						forked++
					}
				})
			}
			t.Logf("%d of %d consumers were forked in the end", forked, schedules)
		})
	}
}

// busyDisk is a disk whose backups are put back while programs append.
type busyDisk struct {
	disk
	random *rand.Rand
}

func newBusyDisk(d disk, random *rand.Rand) disk { return &busyDisk{d, random} }

func (d *busyDisk) putBack(t testing.TB, k int) {
	t.Helper()
	stop := d.startAppenders()
	defer stop()
	time.Sleep(time.Duration(d.random.IntN(5)) * time.Millisecond) // how far they are is left to chance
	d.disk.putBack(t, k)
}

// programs returns what the programs append to.
func (d *busyDisk) programs() logStore {
	if m, ok := d.disk.(interface{ programs() logStore }); ok {
		return m.programs()
	}
	return d.disk
}

// logStore is a store with its log.
type logStore interface {
	store.Store
	store.Log
}

// startAppenders starts programs that append until stop is called.
func (d *busyDisk) startAppenders() (stop func()) {
	const appenders = 2
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range appenders {
		random, log := rand.New(rand.NewPCG(d.random.Uint64(), 0)), d.programs()
		running.Go(func() {
			for ctx.Err() == nil {
				_ = tryAdd(ctx, log, bumps, fmt.Sprint("s", random.IntN(4)), 1+random.IntN(3)) // it may fail
				time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)                // so that the log stays short
			}
		})
	}
	return func() { cancel(); running.Wait() }
}
