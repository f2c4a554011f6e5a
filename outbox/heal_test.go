package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	raw "github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	brokermemory "github.com/eventus-go/eventus/broker/memory"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store/memory"
)

// Seeded schedules as those of the ledger, against a real server: purges, deleted
// streams, restarts of the server, also on an older copy of its disk, and restarts
// of the relay, while messages are appended.
func TestTheAuditHealsJetStreamWhateverIsLost(t *testing.T) {
	for seed := range seeds(t, 3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			srv, s := serve(t, ""), memory.New()
			js, err := raw.New(srv.dial(t))
			if err != nil {
				t.Fatal(err)
			}
			disk := func(from string) string { // a copy of a disk
				srv.Shutdown()
				for {
					dir := filepath.Join(t.TempDir(), "copy")
					err := os.CopyFS(dir, os.DirFS(from))
					if err == nil {
						return dir
					}
					if !errors.Is(err, fs.ErrNotExist) { // the files of a deleted stream go while they are copied
						t.Fatal(err)
					}
				}
			}
			old := disk(srv.cfg.Dir)
			srv.start(t)
			start := func() func() {
				return run(t, outbox.New(s, srv.broker(t), outbox.Config{BatchSize: 7, AuditInterval: 100 * time.Millisecond}))
			}
			want := make(map[string]int64)
			stop := start()
			for range 15 {
				for id, n := range fill(t, s, random.IntN(40)) {
					want[id] += n
				}
				time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond) // so that the relay is anywhere
				switch random.IntN(7) {
				case 0:
					if stream, err := js.Stream(t.Context(), "EVENTUS"); err == nil {
						_ = stream.Purge(t.Context())
					}
				case 1:
					if stream, err := js.Stream(t.Context(), "EVENTUS"); err == nil {
						_ = stream.Purge(t.Context(), raw.WithPurgeSubject(fmt.Sprint("eventus.tick.", random.IntN(16))))
					}
				case 2:
					_ = js.DeleteStream(t.Context(), "EVENTUS")
				case 3:
					old = disk(srv.cfg.Dir)
					srv.start(t)
				case 4:
					srv.cfg.Dir = disk(old)
					srv.start(t)
				case 5, 6:
					stop()
					stop = start()
				}
			}
			awaitAll(t, srv.broker(t), want)
			stop()
		})
	}
}

// awaitAll reads the topic until each version of each stream was there, in
// whatever order.
func awaitAll(t *testing.T, b broker.Subscriber, want map[string]int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	missing := make(map[string]bool)
	for id, n := range want {
		for v := range n {
			missing[fmt.Sprint(id, " ", v+1)] = true
		}
	}
	for len(missing) > 0 && ctx.Err() == nil {
		sub, err := b.Subscribe(ctx, fmt.Sprint("reader-", time.Now().UnixNano()), "tick", broker.FromFirst)
		if err != nil {
			time.Sleep(10 * time.Millisecond) // until the server is back
			continue
		}
		for len(missing) > 0 {
			got, err := sub.Fetch(ctx, 100)
			if err != nil {
				break
			}
			for _, d := range got {
				if e, err := cloudevents.Decode(d.Message()); err == nil {
					delete(missing, fmt.Sprint(e.Stream.ID, " ", e.Version))
				}
				_ = d.Ack(ctx)
			}
		}
		sub.Close()
	}
	if len(missing) > 0 {
		t.Errorf("%d messages are missing: %v", len(missing), missing)
	}
}

// replaced is a memory broker that is lost now and then: another one takes its
// place, with or without a new session.
type replaced struct {
	mu      sync.Mutex
	inner   *brokermemory.Broker
	session uint64
	fail    func() error
}

func (b *replaced) broker() *brokermemory.Broker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inner
}

func (b *replaced) replace(session bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inner = brokermemory.New(brokermemory.Config{})
	if session {
		b.session++
	}
}

func (b *replaced) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	n, err := b.broker().Publish(ctx, messages)
	b.mu.Lock()
	defer b.mu.Unlock()
	if failure := b.fail(); failure != nil {
		return 0, failure // they are there, and were not confirmed
	}
	return n, err
}

func (b *replaced) Place(topic, key string) string         { return b.broker().Place(topic, key) }
func (b *replaced) Newest(place string) (id, token string) { return b.broker().Newest(place) }
func (b *replaced) Last(ctx context.Context, topic string) (broker.Tail, error) {
	return b.broker().Last(ctx, topic)
}
func (b *replaced) Find(ctx context.Context, place, token string) (broker.Message, bool, error) {
	return b.broker().Find(ctx, place, token)
}

func (b *replaced) Session() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

func TestTheAuditHealsAMemoryBrokerThatIsReplaced(t *testing.T) {
	for seed := range seeds(t, 10) {
		synctest.Test(t, func(t *testing.T) {
			random, brokerRandom := rand.New(rand.NewPCG(seed, 4)), rand.New(rand.NewPCG(seed, 5))
			s, b := memory.New(), &replaced{inner: brokermemory.New(brokermemory.Config{})}
			b.fail = func() error {
				if brokerRandom.IntN(5) == 0 {
					return errBroken
				}
				return nil
			}
			start := func() func() { return run(t, outbox.New(s, b, outbox.Config{BatchSize: 4})) }
			want := make(map[string]int64)
			stop := start()
			for range 60 {
				for id, n := range fill(t, s, random.IntN(12)) {
					want[id] += n
				}
				settle(time.Duration(random.IntN(3000)) * time.Millisecond)
				switch random.IntN(6) {
				case 0, 1:
					b.replace(random.IntN(2) == 0)
				case 2:
					stop()
					stop = start()
				}
			}
			b.mu.Lock()
			b.fail = func() error { return nil }
			b.mu.Unlock()
			settle(2 * time.Minute)
			stop()
			awaitAll(t, b.broker(), want)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
