package jetstream

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// againHeader says that a message was sent again under another Nats-Msg-Id, and
// which suffix that has.
const againHeader = "Eventus-Again"

// errSwallowed means that the server dropped a message for an ID that it knows,
// and does not have the message.
var errSwallowed = errors.New("the server dropped the message as a duplicate, and does not have it")

// verify finds out whether a message that the server calls a duplicate is there.
// It need not be: the server remembers IDs of messages that were purged, and two
// events may have one ID.
func (b *Broker) verify(ctx context.Context, m *nats.Msg, sequence uint64) error {
	stream, err := b.ready(ctx)
	if err != nil {
		return err
	}
	stored, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return errSwallowed
	}
	if err != nil {
		return b.lost(err)
	}
	if stored.Subject != m.Subject || !bytes.Equal(stored.Data, m.Data) || !sameHeaders(stored.Header, m.Header) {
		return errSwallowed
	}
	return nil
}

// sameHeaders compares what the message says of itself.
func sameHeaders(a, b nats.Header) bool {
	covers := func(a, b nats.Header) bool {
		for name, values := range a {
			if !strings.HasPrefix(name, "Nats-") && name != againHeader && !slices.Equal(values, b[name]) {
				return false
			}
		}
		return true
	}
	return covers(a, b) && covers(b, a)
}
