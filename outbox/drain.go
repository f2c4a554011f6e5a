package outbox

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

// look is a page of the outbox, on its way.
type look struct {
	done     chan struct{} // closed when the rest is there
	page     []store.Outgoing
	messages []broker.Message // of the page
	next     int64
	err      error
}

func (r *Relay) look(ctx context.Context, after int64) *look {
	l, limit := &look{done: make(chan struct{})}, r.pageSize
	go func() {
		defer close(l.done)
		l.page, l.next, l.err = r.outbox.Unpublished(ctx, after, limit)
		l.messages = r.encode(l.page, "")
	}()
	return l
}

const (
	firstPageSize = 256
	// pageBytes keeps database and broker busy, and is little in memory.
	pageBytes = 4 << 20
	// headerBytes is about what a message has besides its data.
	headerBytes = 512
)

// resize sets the size of the next page after a full one: twice as many messages,
// unless they are so large that pageBytes holds fewer.
func (r *Relay) resize(page []store.Outgoing) {
	if len(page) < r.pageSize {
		return
	}
	bytes := 0
	for i := range page {
		bytes += headerBytes + len(page[i].Data)
	}
	fitting := max(1, pageBytes*len(page)/bytes)
	r.pageSize = min(2*r.pageSize, fitting, r.cfg.BatchSize)
}

// marking is a page whose confirmed messages are being marked.
type marking struct {
	done chan error
	next int64 // of the page
}

// drain publishes pages until the outbox is empty, something fails, or something
// else is due. While it publishes one page, the next is read and the one before
// is marked.
func (r *Relay) drain(ctx context.Context) (published int, err error) {
	ahead := r.look(ctx, r.after)
	defer func() { <-ahead.done }()
	var marks *marking
	var blocked map[store.Stream]bool
	for first := true; ; first = false {
		<-ahead.done
		page, messages, next := ahead.page, ahead.messages, ahead.next
		if ahead.err != nil {
			return published, firstError(r.settle(marks), ahead.err)
		}
		if len(page) == 0 {
			if err := r.settle(marks); err != nil {
				return published, err
			}
			r.after = max(r.after, next)
			return published, nil
		}
		if !first {
			if held, err := r.lease.held(ctx); err != nil || !held || r.checkDue() {
				return published, firstError(r.settle(marks), err)
			}
		}
		r.resize(page)
		ahead = r.look(ctx, next)
		if len(blocked) > 0 {
			page = without(page, blocked)
			messages = r.encode(page, "")
		}
		confirmed, refused, publishErr := r.publish(ctx, page, messages)
		published += len(confirmed)
		blocked = refused // the page that is read ahead may have more of these streams
		if err := r.settle(marks); err != nil {
			return published, firstError(r.settle(r.mark(ctx, confirmed, r.after)), err)
		}
		if publishErr != nil {
			return published, firstError(r.settle(r.mark(ctx, confirmed, r.after)), publishErr)
		}
		marks = r.mark(ctx, confirmed, next)
	}
}

// settle waits for a marking, and moves on by it.
func (r *Relay) settle(m *marking) error {
	if m == nil {
		return nil
	}
	if err := <-m.done; err != nil {
		return err
	}
	r.after = m.next
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// without leaves out the messages of some streams.
func without(page []store.Outgoing, streams map[store.Stream]bool) []store.Outgoing {
	if len(streams) == 0 {
		return page
	}
	var rest []store.Outgoing
	for _, m := range page {
		if !streams[m.Stream] {
			rest = append(rest, m)
		}
	}
	return rest
}

// publish sends a page, leaves out what the broker refuses with the later
// messages of its stream, and returns what was confirmed and which streams were
// left out.
func (r *Relay) publish(ctx context.Context, page []store.Outgoing, messages []broker.Message) (confirmed []store.Outgoing, refused map[store.Stream]bool, err error) {
	if err := r.claimAll(ctx, page); err != nil {
		return nil, nil, err
	}
	places := r.placesOf(page)
	for len(page) > 0 {
		part := page[:untilFirst(places, len(page))]
		n, err := r.publisher.Publish(ctx, messages[:len(part)])
		if r.changed() {
			// What was confirmed before may be gone. The audit asks for it, by what
			// was remembered before this page.
			return confirmed, refused, firstError(err, errChanged)
		}
		confirmed = append(confirmed, part[:n]...)
		r.remember(part[:n], places)
		refusal := refusalOf(err, n, len(part))
		if refusal != nil {
			m := page[refusal.Index]
			if err := r.refuse(ctx, m, refusal.Err); err != nil {
				return confirmed, refused, err
			}
			if refused == nil {
				refused = make(map[store.Stream]bool)
			}
			refused[m.Stream] = true
			page = append(page[n:refusal.Index:refusal.Index], without(page[refusal.Index:], refused)...)
			messages, places = r.encode(page, ""), r.placesOf(page)
			continue
		}
		page, messages, places = page[n:], messages[n:], places[min(n, len(places)):]
		if err != nil && len(page) == 0 {
			return confirmed, refused, fmt.Errorf("publish: %w", err)
		}
		if err != nil {
			return confirmed, refused, fmt.Errorf("publish %s version %d: %w", page[0].Stream, page[0].Version, err)
		}
	}
	return confirmed, refused, nil
}

// encode makes messages of the broker. Again, if it is not empty, gives them IDs
// that the broker has not seen; the event's own is in its envelope.
func (r *Relay) encode(page []store.Outgoing, again string) []broker.Message {
	messages := make([]broker.Message, len(page))
	for i, m := range page {
		messages[i] = cloudevents.Encode(cloudevents.Event{
			Message: m.Message, Source: r.cfg.Source, History: r.history, Previous: m.Previous,
		})
		if again != "" {
			messages[i].ID += "~" + again
		}
	}
	return messages
}

// mark takes confirmed messages off the outbox, also when ctx has ended: else
// the next start would publish them again. It does not wait.
func (r *Relay) mark(ctx context.Context, confirmed []store.Outgoing, next int64) *marking {
	m := &marking{done: make(chan error, 1), next: next}
	if len(confirmed) == 0 {
		m.done <- nil
		return m
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	// A relay that was paused meanwhile must not write over what its successor keeps.
	if held, err := r.lease.held(ctx); err != nil || !held {
		cancel()
		m.done <- firstError(err, errStandby)
		return m
	}
	last := r.last()
	go func() {
		defer cancel()
		positions := make([]int64, len(confirmed))
		for i := range confirmed {
			positions[i] = confirmed[i].Position
		}
		err := r.outbox.MarkPublished(ctx, positions, last)
		if err != nil {
			err = fmt.Errorf("mark %d messages as published: %w", len(positions), err)
		}
		m.done <- err
	}()
	r.note(func(s *State) { s.Published += int64(len(confirmed)) })
	if r.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		for i := range confirmed {
			r.cfg.Logger.Debug("published", slog.String("type", confirmed[i].Type), slog.String("category", confirmed[i].Stream.Category),
				slog.String("id", confirmed[i].Stream.ID), slog.Int64("version", confirmed[i].Version))
		}
	}
	return m
}
