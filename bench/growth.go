package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/eventus-go/eventus"
	"github.com/google/uuid"
)

// smallLog is the number of events in a log that has not grown.
const smallLog = 10_000

func growthFigures() []figure {
	var figures []figure
	for _, ids := range []struct {
		name, title string
		goal        float64
		filled      string // the id of a stream by its number, in SQL
		new         func() string
	}{
		// New time-ordered ids sort behind those in the filled log.
		{"ordered", "time-ordered ids", 0.95, `'01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0')`, newID},
		{"random", "random ids", 0, `md5(n::text)::uuid::text`, uuid.NewString},
	} {
		figures = append(figures, figure{
			name:    "growth/" + ids.name,
			title:   "Append to a log that has grown, " + ids.title,
			unit:    "events/s",
			ofLimit: ids.goal,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return opened(ctx, l, openGrown(ours, l.grown, ids.filled, ids.new), openGrown(limit, smallLog, ids.filled, ids.new))
			},
		})
	}
	return figures
}

// fill adds events to streams of twenty. A thousand streams grow at the same time.
// %s is the id of stream n.
const fill = `
INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
SELECT $1, %s, version, '01900000-0000-7000-9000-' || lpad(to_hex(g), 12, '0'), $2, 'application/json', $3, now(), '', '', ''
FROM generate_series($4::bigint, $5::bigint) AS g, LATERAL (SELECT g / 20000 * 1000 + g %% 1000 AS n, g %% 20000 / 1000 + 1 AS version) AS s
ORDER BY g`

// fillStep is the number of events that one statement adds.
const fillStep = 200_000

// openGrown saves one event on each new aggregate, by 16 writers, in a log that
// already has a number of events.
func openGrown(as role, events int, filled string, newStream func() string) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		s, pool, err := l.postgres(ctx, updaters)
		if err != nil {
			return contender{}, err
		}
		data, err := json.Marshal(newItem(1))
		if err != nil {
			return contender{}, err
		}
		for from := 0; from < events; from += fillStep {
			to := min(from+fillStep, events) - 1
			if _, err := pool.Exec(ctx, fmt.Sprintf(fill, filled), category, eventType, data, from, to); err != nil {
				return contender{}, err
			}
		}
		if err := settle(ctx, pool); err != nil {
			return contender{}, err
		}
		repo := eventus.NewRepository(s, orders)
		return contender{name: fmt.Sprintf("%s events", count(events)), role: as, measure: rate(updaters, 1, func(ctx context.Context, worker int) error {
			a := repo.New(newStream())
			_ = a.add(worker)
			return repo.Save(ctx, a)
		})}, nil
	}
}
