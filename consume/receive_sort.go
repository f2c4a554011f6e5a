package consume

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

const (
	// maxLetterData and maxLetterHeader bound what a dead letter keeps of a
	// message, in bytes.
	maxLetterData   = 64 << 10
	maxLetterHeader = 16 << 10
)

// arrival is a message in hand, with the broker's end of it.
type arrival struct {
	delivery broker.Delivery
	event    cloudevents.Event
	counted  bool // the event has no version: the consumer counts
	left     bool // there is no room for it: it stays with the broker

	refused    *store.Queue // what its stream's queue becomes, because the handler failed
	retryAfter time.Duration
}

// key names the event when it has no version.
func (a *arrival) key() store.EventKey {
	return store.EventKey{Category: a.event.Stream.Category, Source: a.event.Source, ID: a.event.ID}
}

// sort reads the envelopes. It keeps what cannot be used as dead letters, drops
// what strangers sent, and puts the rest in order, which is cheaper than to find
// out that a message is early.
func (r *Receiver[Tx, E]) sort(work context.Context, deliveries []broker.Delivery) ([]*arrival, error) {
	var batch, useless, strange []*arrival
	var letters []store.DeadLetter
	for _, d := range deliveries {
		a := &arrival{delivery: d}
		e, err := r.read(d.Message())
		a.event, a.counted = e, strings.HasSuffix(e.Stream.Category, arrivals)
		switch {
		case err != nil:
			useless, letters = append(useless, a), append(letters, r.letter(d, err))
		case r.cfg.Source != "" && e.Source != r.cfg.Source || r.cfg.History != "" && e.History != r.cfg.History:
			strange = append(strange, a)
			r.tally.strangers.Add(1)
			if name := e.Source + " " + e.History; r.tally.first("stranger", name) {
				r.log.Warn("messages of a stranger are dropped: another producer publishes to this topic; give each producer a stream or prefix of its own",
					slog.String("source", e.Source), slog.String("history", e.History), slog.String("message", e.ID))
			}
		default:
			batch = append(batch, a)
		}
	}
	if len(letters) > 0 {
		if err := r.bury(work, letters); err != nil {
			return nil, err
		}
	}
	r.settle(work, append(useless, strange...))
	slices.SortStableFunc(batch, func(a, b *arrival) int { return cmp.Compare(a.event.Version, b.event.Version) })
	return batch, nil
}

// read maps a message to its event. The stream of an event without a version is
// that of its arrivals.
func (r *Receiver[Tx, E]) read(m broker.Message) (cloudevents.Event, error) {
	e, err := cloudevents.Decode(m)
	if err != nil || e.Version > 0 {
		return e, err
	}
	if !r.foreign {
		return cloudevents.Event{}, fmt.Errorf("message %q has no version: only a table of eventus.Foreign takes events without one", m.ID)
	}
	if r.cfg.RequireVersion {
		return cloudevents.Event{}, fmt.Errorf("message %q has no version, which ReceiveConfig.RequireVersion asks for", m.ID)
	}
	e.Stream = store.Stream{Category: m.Topic + arrivals, ID: cmp.Or(e.Stream.ID, e.Source)}
	return e, nil
}

// bury stores dead letters of messages that cannot be used.
func (r *Receiver[Tx, E]) bury(work context.Context, letters []store.DeadLetter) error {
	err := r.transact(work, func(ctx context.Context, tx Tx) error {
		for _, l := range letters {
			if err := r.inbox.AddDeadLetter(ctx, tx, l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.tally.unusable.Add(int64(len(letters)))
	for _, l := range letters {
		r.log.Error("message cannot be used and is kept as a dead letter", slog.String("message", l.BrokerID), slog.String("error", l.Error))
	}
	return nil
}

// letter returns a message that cannot be used, with all that is known of it.
func (r *Receiver[Tx, E]) letter(d broker.Delivery, cause error) store.DeadLetter {
	m := d.Message()
	l := store.DeadLetter{
		Consumer: r.once.consumer,
		Message: store.Message{
			Event:  store.Event{Data: m.Data[:min(len(m.Data), maxLetterData)]},
			Stream: store.Stream{Category: m.Topic},
		},
		BrokerID: m.ID,
		Header:   make(map[string]string, len(m.Header)),
		Size:     len(m.Data),
		Error:    cause.Error(),
	}
	if s, ok := d.(broker.Sequenced); ok {
		l.Sequence = s.Sequence()
	}
	room := maxLetterHeader
	for name, value := range m.Header {
		switch value := value[:min(len(value), room)]; strings.ToLower(name) {
		case "ce-id":
			l.Message.ID = value
		case "ce-type":
			l.Message.Type = value
		case "ce-subject":
			l.Message.Stream.ID = value
		case "ce-source":
			l.Source = value
		}
		if need := len(name) + len(value); need <= room {
			l.Header[name] = value
			room -= need
		}
	}
	return l
}
