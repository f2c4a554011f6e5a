package jetstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// lane is where the server's answers to one publication at a time arrive. The next
// one takes it over when all of this one's are there.
type lane struct {
	wire    *wire
	sub     *nats.Subscription
	prefix  string         // of the reply subjects; behind it is the message's number
	answers chan *nats.Msg // has room for all that are in flight
	timer   *time.Timer

	oldest, next uint64 // numbers of the oldest message in flight, and of the next one
	flights      [windowMessages]flight
	usual        []byte // what a usual answer has before the sequence; nil before there was one
}

// flight is a message that was sent.
type flight struct {
	index   int // in the publication
	size    int
	subject string
	sent    time.Time
	answer  *nats.Msg // nil before it is there
}

// lane returns one that nobody uses.
func (w *wire) lane() (*lane, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		l := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return l, nil
	}
	l := &lane{wire: w, prefix: w.nc.NewInbox() + ".", answers: make(chan *nats.Msg, windowMessages), timer: time.NewTimer(0)}
	var err error
	l.sub, err = w.nc.ChanSubscribe(l.prefix+"*", l.answers)
	return l, err
}

// leave gives the lane to the next publication, unless answers are on their way.
func (l *lane) leave() {
	if l.inFlight() > 0 {
		_ = l.sub.Unsubscribe()
		return
	}
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	l.wire.idle = append(l.wire.idle, l)
}

func (l *lane) inFlight() int { return int(l.next - l.oldest) }

func (l *lane) flight(number uint64) *flight { return &l.flights[number%windowMessages] }

// send hands the client a message. One that it does not take is not in flight.
func (l *lane) send(m *nats.Msg, index, size int) error {
	m.Reply = l.prefix + strconv.FormatUint(l.next, 10)
	if err := l.wire.nc.PublishMsg(m); err != nil {
		return err
	}
	*l.flight(l.next) = flight{index: index, size: size, subject: m.Subject, sent: time.Now()}
	l.next++
	return nil
}

// await returns the answer to the oldest message in flight, or nil when it is not
// there within timeout of its sending. It prefers an answer that is there to a
// context that has ended, so that the caller repeats no more than it has to.
func (l *lane) await(ctx context.Context, timeout time.Duration) (*nats.Msg, error) {
	oldest := l.flight(l.oldest)
	l.take()
	if oldest.answer != nil {
		return oldest.answer, nil
	}
	l.timer.Reset(timeout - time.Since(oldest.sent))
	for oldest.answer == nil {
		select {
		case m := <-l.answers:
			l.put(m)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.wire.closed:
			if l.take(); oldest.answer == nil {
				return nil, errBroken
			}
		case <-l.timer.C:
			return nil, jetstream.ErrAsyncPublishTimeout
		}
	}
	return oldest.answer, nil
}

// take puts the answers that are there where they belong.
func (l *lane) take() {
	for {
		select {
		case m := <-l.answers:
			l.put(m)
		default:
			return
		}
	}
}

func (l *lane) put(m *nats.Msg) {
	number, err := strconv.ParseUint(m.Subject[len(l.prefix):], 10, 64)
	if err == nil && l.oldest <= number && number < l.next {
		l.flight(number).answer = m
	}
}

// parse reads an answer. Usual ones say that the stream of the broker has stored
// the message, differ in nothing but the sequence, and are read without a decoder.
func (l *lane) parse(answer *nats.Msg) (ack jetstream.PubAck, usual bool, err error) {
	if digits, ok := bytes.CutPrefix(answer.Data, l.usual); ok && len(l.usual) > 0 {
		if digits, ok = bytes.CutSuffix(digits, []byte("}")); ok {
			if sequence, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
				return jetstream.PubAck{Sequence: sequence}, true, nil
			}
		}
	}
	ack, err = parseAnswer(answer)
	return ack, false, err
}

// learn has parse know usual answers by one of them.
func (l *lane) learn(answer *nats.Msg, ack jetstream.PubAck) {
	if usual, ok := bytes.CutSuffix(answer.Data, fmt.Appendf(nil, "%d}", ack.Sequence)); ok {
		l.usual = usual
	}
}

func parseAnswer(answer *nats.Msg) (jetstream.PubAck, error) {
	if len(answer.Data) == 0 && answer.Header.Get("Status") == "503" {
		return jetstream.PubAck{}, jetstream.ErrNoStreamResponse
	}
	var a struct {
		jetstream.PubAck
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(answer.Data, &a); {
	case err != nil:
		return a.PubAck, fmt.Errorf("%w: %w", jetstream.ErrInvalidJSAck, err)
	case a.Error != nil:
		return a.PubAck, a.Error
	case a.Stream == "":
		return a.PubAck, jetstream.ErrInvalidJSAck
	}
	return a.PubAck, nil
}
