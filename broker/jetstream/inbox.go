package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxBatch is the most that one Fetch returns, whatever its limit.
	maxBatch = 1000
	// inboxSize holds a batch, one more that an earlier request left behind, and
	// the server's words about them. What does not fit is delivered again.
	inboxSize = 2*maxBatch + 64

	pullExpires  = 30 * time.Second // how long a request waits at the server
	heartbeat    = 5 * time.Second  // how often the server says that it waits
	drainTimeout = 5 * time.Second
)

// inbox is where the server answers pull requests: one at a time, but for those
// that a reconnect left behind.
type inbox struct {
	sub      *nats.Subscription
	msgs     chan *nats.Msg
	prefix   string // of the reply subjects
	requests uint64 // sent so far

	reply string    // reply subject of the last request
	asked int       // messages that it may still bring; 0 when it is over
	sent  time.Time // when it was sent
	left  time.Time // when a Fetch last looked here
}

func (b *Broker) openInbox() (*inbox, error) {
	in := &inbox{msgs: make(chan *nats.Msg, inboxSize), prefix: b.nc.NewInbox(), left: time.Now()}
	var err error
	in.sub, err = b.nc.ChanSubscribe(in.prefix+".*", in.msgs)
	return in, err
}

// request asks the server for up to limit messages. With no_wait and expires
// together it sends what it has and ends the request there, or waits for the
// first message when it has none.
func (in *inbox) request(b *Broker, consumer string, limit int) error {
	body, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		NoWait    bool          `json:"no_wait"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{limit, true, pullExpires, heartbeat})
	if err != nil {
		return err
	}
	in.requests++
	in.reply = in.prefix + "." + strconv.FormatUint(in.requests, 10)
	subject := fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", b.cfg.Stream, consumer)
	if err := b.nc.PublishRequest(subject, in.reply, body); err != nil {
		return err
	}
	in.asked, in.sent = limit, time.Now()
	return nil
}

// idle reports whether nothing is here and nothing was asked for.
func (in *inbox) idle() bool { return in.asked == 0 && len(in.msgs) == 0 }

// isStatus tells the server's words from messages: those come to the reply
// subject, these under their own. Their headers tell nothing, since anybody may
// publish a header "Status".
func (in *inbox) isStatus(m *nats.Msg) bool { return strings.HasPrefix(m.Subject, in.prefix) }

// dropStale forgets messages that lay here for longer than the acknowledgement
// wait: another member may have them by now.
func (in *inbox) dropStale(ackWait time.Duration) {
	for n := len(in.msgs); n > 0 && time.Since(in.left) >= ackWait; n-- {
		if m := <-in.msgs; !in.isStatus(m) {
			in.asked = max(in.asked-1, 0)
		} else if m.Subject == in.reply && m.Header.Get("Status") != "100" {
			in.asked = 0
		}
	}
}

// giveBack closes the inbox and hands back what is in it.
func (in *inbox) giveBack(b *Broker) {
	in.close(b.nc)
	for {
		select {
		case m := <-in.msgs:
			if !in.isStatus(m) {
				_ = b.tell(m.Reply, nak)
			}
		default:
			return
		}
	}
}

// close returns when nothing arrives any more.
func (in *inbox) close(nc *nats.Conn) {
	if nc.Status() != nats.CONNECTED {
		_ = in.sub.Unsubscribe()
		return
	}
	// Unsubscribe would drop what is on its way; Drain waits until the server
	// knows, and calls the handler then.
	drained, done := context.WithTimeout(context.Background(), drainTimeout)
	defer done()
	in.sub.SetClosedHandler(func(string) { done() })
	if err := in.sub.Drain(); err == nil {
		<-drained.Done()
	}
}
