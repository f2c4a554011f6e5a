package eventus_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

func openSQLite(t testing.TB) (*sql.DB, *sqlite.Store) {
	t.Helper()
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(t.TempDir(), "flow.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return db, s
}

func openJetStream(t testing.TB) *jetstream.Broker {
	t.Helper()
	server, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := jetstream.New(t.Context(), conn, jetstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sums is a projection that a doubled, lost or disordered event would spoil: it
// adds, and it chains the versions.
type sums struct{}

const createSums = `CREATE TABLE sums (id TEXT PRIMARY KEY, total INTEGER NOT NULL, version INTEGER NOT NULL, changes INTEGER NOT NULL) WITHOUT ROWID`

func (sums) handle(ctx context.Context, tx *sql.Tx, m eventus.Message[countEvent]) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO sums (id, total, version, changes) VALUES (?1, ?2, ?3, 1)
		ON CONFLICT (id) DO UPDATE SET total = total + ?2, version = ?3, changes = changes + 1 WHERE version = ?3 - 1`,
		m.Stream.ID, m.Event.(added).By, m.Version)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return consume.Permanent(fmt.Errorf("%s version %d is out of order (%v)", m.Stream, m.Version, err))
	}
	return nil
}

// 10,000 updates by 16 workers on 10 aggregates, on SQLite, to a projection that
// JetStream wakes and to the broker, by the outbox and the relay.
func TestTheWholeFlowLosesAndDoublesNothing(t *testing.T) {
	const workers, aggregates = 16, 10
	updates := 10_000
	if testing.Short() {
		updates = 1_000
	}
	db, s := openSQLite(t)
	b := openJetStream(t)
	if _, err := db.Exec(createSums); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	defer loops.Wait()
	defer stop()
	projection := consume.Follow("sums", s, consume.Config{Wake: b}, consume.On(counters, sums{}.handle))
	for _, run := range []func(context.Context) error{outbox.New(s, b, outbox.Config{}).Run, projection.Run} {
		loops.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}

	r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(100))
	var writers sync.WaitGroup
	for w := range workers {
		writers.Go(func() {
			for i := w; i < updates; i += workers {
				if _, err := r.Update(ctx, fmt.Sprint(i%aggregates), add(2)); err != nil {
					t.Errorf("update %d: %v", i, err)
				}
			}
		})
	}
	writers.Wait()

	for id := range aggregates {
		c, err := r.Load(ctx, fmt.Sprint(id))
		if err != nil {
			t.Fatal(err)
		}
		want := int64(updates / aggregates)
		if c.Version() != want || c.State().Total != 2*want {
			t.Errorf("%d: total %d at version %d, want %d at %d", id, c.State().Total, c.Version(), 2*want, want)
		}
		next := int64(1)
		for m, err := range eventus.History(ctx, r, c.ID()) {
			if err != nil || m.Version != next {
				t.Fatalf("%d: version %d where %d is next: %v", id, m.Version, next, err)
			}
			next++
		}
		if err := projection.Wait(ctx, counters.Stream(c.ID()), want); err != nil {
			t.Fatal(err)
		}
		var total, changes int64
		if err := db.QueryRow(`SELECT total, changes FROM sums WHERE id = ?`, fmt.Sprint(id)).Scan(&total, &changes); err != nil {
			t.Fatal(err)
		}
		if total != 2*want || changes != want {
			t.Errorf("%d: the projection has total %d after %d changes, want %d after %d", id, total, changes, 2*want, want)
		}
	}
	waitFor(t, func() bool {
		var unpublished int
		if err := db.QueryRow(`SELECT count(*) FROM outbox`).Scan(&unpublished); err != nil {
			t.Fatal(err)
		}
		return unpublished == 0
	})
}

// waitFor waits for as long as the test may run.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for !done() {
		if t.Failed() {
			t.FailNow()
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// The memory that a load holds does not grow with the stream: what is alive in
// the middle of loading 100,000 events is a page, not the stream.
func TestALongStreamOnDiskLoadsInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("without -short it loads 100,000 events")
	}
	_, s := openSQLite(t)
	live := func(events int) uint64 {
		id := fmt.Sprint(events)
		fill(t, s, id, events)
		r := eventus.NewRepository(s, watched)
		peakHeap = 0
		if _, err := r.Load(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return peakHeap
	}
	short, long := live(1_000), live(100_000)
	// 100,000 of these events take more than 20 MB as messages.
	if long > short+5<<20 {
		t.Errorf("%d bytes alive while loading 100,000 events, %d while loading 1,000", long, short)
	}
}

// watched is the counter's definition with an event that measures the heap now
// and then.
var watched = eventus.Define("counter", eventus.New[watchedCounter],
	eventus.Type[watchedAdded]("counter.added"))

type watchedCounter struct {
	eventus.Aggregate[watchedState, watchedEvent]
}

type watchedEvent interface{ eventus.Event[watchedState] }

type watchedState struct{ seen int }

type watchedAdded added

var peakHeap uint64

func (watchedAdded) Apply(s *watchedState) {
	if s.seen++; s.seen%10_000 == 500 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		//eventusvet:ignore impure the event measures; the state does not depend on it
		peakHeap = max(peakHeap, m.HeapAlloc)
	}
}

func BenchmarkLoad(b *testing.B) {
	_, s := openSQLite(b)
	const events = 100_000
	fill(b, s, "long", events)
	b.Run("replay of 100,000 events", func(b *testing.B) {
		r := eventus.NewRepository(s, counters)
		for b.Loop() {
			if _, err := r.Load(b.Context(), "long"); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("snapshot and a tail of 10", func(b *testing.B) {
		r := eventus.NewRepository(s, counters, eventus.WithSnapshotEvery(1))
		if _, err := r.Update(b.Context(), "long", add(2)); err != nil {
			b.Fatal(err)
		}
		fill(b, s, "long", 10)
		for b.Loop() {
			if _, err := r.Load(b.Context(), "long"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
