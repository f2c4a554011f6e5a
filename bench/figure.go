package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// role is what a contender stands for in its figure.
type role string

const (
	limit role = "limit" // the same work in the plainest client
	ours  role = "ours"
	peer  role = "peer" // another library that does the same work
)

// measure runs a contender for about d and returns the value, in the unit of its
// figure.
type measure func(ctx context.Context, d time.Duration) (float64, error)

// contender is one way to do the work of a figure.
type contender struct {
	name    string
	role    role
	note    string // what it does less than Eventus
	measure measure
}

// figure compares contenders that do the same work.
type figure struct {
	name    string // matched by -run: a subject, a slash, a case
	title   string
	unit    string
	latency bool    // less is better
	ofLimit float64 // goal of the ratio to the limit; 0 means none
	ofPeer  float64 // goal of the ratio to the best peer; 0 means none
	goal    float64 // goal of the value itself; 0 means none
	open    func(ctx context.Context, l *lab) ([]contender, error)
}

// row is a contender with its values over all rounds.
type row struct {
	contender
	value quartiles
}

// comparison is the ratio of ours to another contender. More is better, also for
// latencies.
type comparison struct {
	to    row
	ratio quartiles
	goal  float64 // 0 means none
}

// result is a figure with its rows, or with the error that ended it.
type result struct {
	figure
	rows        []row
	comparisons []comparison
	err         error
}

// ours returns the row of Eventus.
func (r result) ours() row {
	return r.rows[slices.IndexFunc(r.rows, func(r row) bool { return r.role == ours })]
}

// run opens the contenders. In every round it measures each of them for one slice.
// The first round warms up and does not count. Each round starts with another
// contender.
func (f figure) run(ctx context.Context, l *lab, rounds int, slice time.Duration) (res result) {
	res.figure = f
	defer l.clear()
	contenders, err := f.open(ctx, l)
	if err != nil {
		res.err = fmt.Errorf("prepare: %w", err)
		return res
	}
	values := make([][]float64, len(contenders))
	for round := range rounds + 1 {
		for k := range contenders {
			i := (k + round) % len(contenders)
			runtime.GC() // a contender does not pay for the garbage of another
			value, err := contenders[i].measure(ctx, slice)
			if err != nil {
				res.err = fmt.Errorf("%s: %w", contenders[i].name, err)
				return res
			}
			if round > 0 {
				values[i] = append(values[i], value)
			}
		}
	}
	for i, c := range contenders {
		res.rows = append(res.rows, row{c, quartilesOf(values[i])})
	}
	res.compare(values)
	return res
}

// compare divides ours by the limit and by the best peer within each round. Noise
// that lasts longer than a round changes both.
func (r *result) compare(values [][]float64) {
	subject := slices.IndexFunc(r.rows, func(r row) bool { return r.role == ours })
	for _, other := range []struct {
		role role
		goal float64
	}{{limit, r.ofLimit}, {peer, r.ofPeer}} {
		best := r.best(other.role)
		if best < 0 {
			continue
		}
		ratios := make([]float64, len(values[subject]))
		for round, value := range values[subject] {
			ratios[round] = value / values[best][round]
			if r.latency {
				ratios[round] = 1 / ratios[round]
			}
		}
		r.comparisons = append(r.comparisons, comparison{r.rows[best], quartilesOf(ratios), other.goal})
	}
}

// best returns the index of the row of a role with the best median, or -1.
func (r *result) best(of role) int {
	best := -1
	for i, row := range r.rows {
		if row.role == of && (best < 0 || (row.value.median > r.rows[best].value.median) != r.latency) {
			best = i
		}
	}
	return best
}

// rate returns a measure of work per second. A number of workers call op again and
// again; a call does a number of units of work.
func rate(workers, units int, op func(ctx context.Context, worker int) error) measure {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		g, ctx := errgroup.WithContext(ctx)
		var calls atomic.Int64
		start := time.Now()
		for worker := range workers {
			g.Go(func() error {
				for time.Since(start) < d {
					if err := op(ctx, worker); err != nil {
						return err
					}
					calls.Add(1)
				}
				return nil
			})
		}
		err := g.Wait()
		return float64(calls.Load()*int64(units)) / time.Since(start).Seconds(), err
	}
}

// batches returns a measure of work per second for work that needs preparation.
// run does a number of units of work and returns the time that counts. A slice has
// at least one run.
func batches(units int, run func(ctx context.Context) (time.Duration, error)) measure {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		var took time.Duration
		done := 0
		for took < d {
			one, err := run(ctx)
			if err != nil {
				return 0, err
			}
			took += one
			done += units
		}
		return float64(done) / took.Seconds(), nil
	}
}
