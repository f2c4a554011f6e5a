package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// recreates replaces the consumer that is there.
type recreates struct{ *memory.Store }

func (s recreates) CreateConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) (bool, error) {
	created, err := s.Store.CreateConsumer(ctx, tx, c)
	if err == nil && !created {
		err = s.SaveConsumer(ctx, tx, c)
	}
	return created, err
}

// alwaysCreated is INSERT ... ON CONFLICT DO NOTHING without a look at the count.
type alwaysCreated struct{ *memory.Store }

func (s alwaysCreated) CreateConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) (bool, error) {
	_, err := s.Store.CreateConsumer(ctx, tx, c)
	return err == nil, err
}

// remembers keeps in the process what it has created and finished.
type remembers struct {
	*memory.Store
	done sync.Map
}

func (s *remembers) CreateConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) (bool, error) {
	if _, created := s.done.LoadOrStore(c.ConsumerID, true); created {
		return false, nil
	}
	return s.Store.CreateConsumer(ctx, tx, c)
}

func (s *remembers) FinishRequest(ctx context.Context, tx *memory.Tx, id int64, outcome string) (bool, error) {
	if _, finished := s.done.LoadOrStore(id, true); finished {
		return false, nil
	}
	return s.Store.FinishRequest(ctx, tx, id, outcome)
}

// keepsSegments writes the rows that it is given and removes none.
type keepsSegments struct{ *memory.Store }

func (s keepsSegments) SaveConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) error {
	old, _, err := s.LockConsumer(ctx, tx, c.ConsumerID)
	if err == nil && len(old.Segments) > len(c.Segments) {
		c.Segments = slices.Concat(c.Segments, old.Segments[len(c.Segments):])
	}
	return cmp.Or(err, s.Store.SaveConsumer(ctx, tx, c))
}

type slowClock struct{ *memory.Store }

func (s slowClock) LockConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	c, now, err := s.Store.LockConsumer(ctx, tx, id)
	return c, now.Add(-time.Hour), err
}

type upserts struct{ *memory.Store }

func (s upserts) SaveConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) error {
	if _, err := s.CreateConsumer(ctx, tx, c); err != nil {
		return err
	}
	return s.Store.SaveConsumer(ctx, tx, c)
}

// renamesByCopy leaves nothing under the old name, and loses the parked streams.
type renamesByCopy struct{ *memory.Store }

func (s renamesByCopy) RenameConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID, name string) error {
	c, _, err := s.LockConsumer(ctx, tx, id)
	if err != nil {
		return err
	}
	c.Name = name
	if _, err := s.CreateConsumer(ctx, tx, c); err != nil {
		return err
	}
	return s.DeleteConsumer(ctx, tx, id)
}

type takesNames struct{ *memory.Store }

func (s takesNames) RenameConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID, name string) error {
	err := s.Store.RenameConsumer(ctx, tx, id, name)
	if errors.Is(err, store.ErrConsumerExists) {
		_ = s.DeleteConsumer(ctx, tx, store.ConsumerID{Name: name, Generation: id.Generation})
		return s.Store.RenameConsumer(ctx, tx, id, name)
	}
	return err
}

type leavesParked struct{ *memory.Store }

func (s leavesParked) DeleteConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) error {
	rows, err := s.ListParked(ctx, id, store.Stream{}, 100)
	if err := cmp.Or(err, s.Store.DeleteConsumer(ctx, tx, id)); err != nil {
		return err
	}
	for _, p := range rows {
		if err := s.SetParked(ctx, tx, p, 0); err != nil {
			return err
		}
	}
	return nil
}

type anyName struct{ *memory.Store }

func (s anyName) LockConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if store.CheckConsumerID(id) != nil {
		return store.Consumer{}, time.Time{}, store.ErrNoConsumer
	}
	return s.Store.LockConsumer(ctx, tx, id)
}

// collated lists names as a column with a collation does.
type collated struct{ *memory.Store }

func (s collated) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	consumers, now, err := s.Store.ListConsumers(ctx, ids...)
	slices.SortStableFunc(consumers, func(a, b store.Consumer) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return consumers, now, err
}

type localClock struct{ *memory.Store }

func (s localClock) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	consumers, now, err := s.Store.ListConsumers(ctx, ids...)
	return consumers, now.In(time.FixedZone("UTC+3", 3*60*60)), err
}

// dirtyReads lists what is saved before it is committed.
type dirtyReads struct {
	*memory.Store
	saved sync.Map // by id
}

func (s *dirtyReads) SaveConsumer(ctx context.Context, tx *memory.Tx, c store.Consumer) error {
	s.saved.Store(c.ConsumerID, c)
	return s.Store.SaveConsumer(ctx, tx, c)
}

func (s *dirtyReads) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	consumers, now, err := s.Store.ListConsumers(ctx, ids...)
	for i := range consumers {
		if saved, ok := s.saved.Load(consumers[i].ConsumerID); ok {
			consumers[i] = saved.(store.Consumer)
		}
	}
	return consumers, now, err
}

// oneByOne lists with a query for each consumer.
type oneByOne struct{ *memory.Store }

func (s oneByOne) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	consumers, now, err := s.Store.ListConsumers(ctx, ids...)
	for i := range consumers {
		runtime.Gosched() // gives the writer the time in which the views part
		one, _, err := s.Store.ListConsumers(ctx, consumers[i].ConsumerID)
		if err != nil {
			return nil, now, err
		}
		consumers[i] = one[0]
	}
	return consumers, now, err
}

// sharedConsumers gives everybody the same slices.
type sharedConsumers struct {
	*memory.Store
	once      sync.Once
	consumers []store.Consumer
}

func (s *sharedConsumers) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	consumers, now, err := s.Store.ListConsumers(ctx, ids...)
	s.once.Do(func() { s.consumers = consumers })
	return s.consumers, now, err
}

// committedOnly locks a consumer and reads it on another connection.
type committedOnly struct{ *memory.Store }

func (s committedOnly) LockConsumer(ctx context.Context, tx *memory.Tx, id store.ConsumerID) (store.Consumer, time.Time, error) {
	if _, _, err := s.Store.LockConsumer(ctx, tx, id); err != nil {
		return store.Consumer{}, time.Time{}, err
	}
	consumers, now, err := s.ListConsumers(ctx, id)
	if err != nil || len(consumers) == 0 {
		return store.Consumer{}, now, cmp.Or(err, store.ErrNoConsumer)
	}
	return consumers[0], now, nil
}
