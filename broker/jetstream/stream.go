package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// partitionsKey is where the stream's metadata holds the number of partitions,
// which no other setting tells.
const partitionsKey = "eventus.partitions"

func (b *Broker) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        b.cfg.Stream,
		Description: "Eventus: " + b.cfg.Prefix + ".<category>.<partition>",
		Subjects:    []string{b.cfg.Prefix + ".>"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    b.cfg.Replicas,
		MaxAge:      b.cfg.MaxAge,
		Duplicates:  b.cfg.DuplicateWindow,
		Metadata:    map[string]string{partitionsKey: strconv.Itoa(b.cfg.Partitions)},
	}
}

// ensureStream creates the stream, or reports why the one that exists does not
// fit.
func (b *Broker) ensureStream(ctx context.Context) (jetstream.Stream, error) {
	want := b.streamConfig()
	stream, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = b.js.Stream(ctx, want.Name) // another program was first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s for subjects %s: %w", want.Name, want.Subjects[0], cured(ctx, err))
	}
	have := stream.CachedInfo().Config
	if err := compare(have, want); err != nil {
		return nil, err
	}
	if setting, cure := losing(have, want); setting != "" && !b.cfg.AllowLoss {
		return nil, fmt.Errorf("stream %s has %s, by which messages are lost: %s, or accept it by Config.AllowLoss", want.Name, setting, cure)
	}
	return stream, nil
}

// The server's codes for what the client has no error for
// (jetstream_errors_generated.go).
const (
	codeSubjectsOverlap      = 10065
	codeReplicasNotSupported = 10074
)

// cured adds what to do about an error of the server, where that is known.
func cured(ctx context.Context, err error) error {
	cure := ""
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		cure = "the server has no JetStream: start it with -js, or with a jetstream block in its configuration"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		cure = "set jetstream: enabled for this user's account in the server's configuration"
	case errors.Is(err, &jetstream.APIError{ErrorCode: codeSubjectsOverlap}):
		cure = "choose another Config.Prefix, or name the stream that has these subjects as Config.Stream"
	case errors.Is(err, &jetstream.APIError{ErrorCode: codeReplicasNotSupported}):
		cure = "set Config.Replicas to 1, or connect to a cluster"
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		cure = "the server takes requests and JetStream does not answer: wait until the cluster has a leader, or give the user the rights to $JS.API.> and _INBOX.>"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, cure)
}

// compare reports the first setting in which a stream differs so that messages
// would be lost or keys would move.
func compare(have, want jetstream.StreamConfig) error {
	for _, s := range []struct {
		name       string
		have, want string
	}{
		{"subjects", fmt.Sprint(have.Subjects), fmt.Sprint(want.Subjects)},
		{"storage", have.Storage.String(), want.Storage.String()},
		{"retention", have.Retention.String(), want.Retention.String()},
		{"partitions (metadata " + partitionsKey + ")", have.Metadata[partitionsKey], want.Metadata[partitionsKey]},
	} {
		if s.have != s.want {
			return fmt.Errorf("stream %s has %s %q, want %q: set Config to what the stream has, or name another Config.Stream and Config.Prefix",
				want.Name, s.name, s.have, s.want)
		}
	}
	return nil
}

// losing returns the first setting of a stream by which the server drops messages
// that it has confirmed, or confirms none, and what to do.
func losing(have, want jetstream.StreamConfig) (setting, cure string) {
	const edit = "remove it by \"nats stream edit\""
	discardOld := have.Discard == jetstream.DiscardOld
	switch {
	case have.NoAck:
		return "no_ack", edit
	case have.Sealed:
		return "sealed", "name another Config.Stream and Config.Prefix"
	case have.Mirror != nil:
		return "mirror", "connect to where the stream is that it mirrors"
	case have.MaxMsgsPerSubject > 0:
		return fmt.Sprintf("max_msgs_per_subject %d", have.MaxMsgsPerSubject), edit
	case discardOld && have.MaxMsgs > 0:
		return fmt.Sprintf("max_msgs %d with discard old", have.MaxMsgs), edit
	case discardOld && have.MaxBytes > 0:
		return fmt.Sprintf("max_bytes %d with discard old", have.MaxBytes), edit
	case have.MaxAge > 0 && (want.MaxAge == 0 || have.MaxAge < want.MaxAge):
		asked := "keep messages without end"
		if want.MaxAge > 0 {
			asked = fmt.Sprintf("keep them for %v", want.MaxAge)
		}
		return fmt.Sprintf("max_age %v where Config.MaxAge asks to %s", have.MaxAge, asked), "set Config.MaxAge to it, or edit it by \"nats stream edit\""
	}
	return "", ""
}

// drops reports whether the server drops messages of a stream for other reasons
// than their age.
func drops(have jetstream.StreamConfig) bool {
	return have.NoAck || have.MaxMsgsPerSubject > 0 || have.Discard == jetstream.DiscardOld && (have.MaxMsgs > 0 || have.MaxBytes > 0)
}

// compareConsumer is compare for the consumer behind a durable subscription.
func compareConsumer(have, want jetstream.ConsumerConfig) error {
	filters := have.FilterSubjects
	if have.FilterSubject != "" {
		filters = []string{have.FilterSubject}
	}
	switch {
	case !slices.Equal(filters, []string{want.FilterSubject}):
		return fmt.Errorf("consumer %s has the filter %q, want %q: take another name for this topic, or delete the consumer",
			want.Durable, filters, want.FilterSubject)
	case have.AckPolicy != want.AckPolicy || have.MaxDeliver != want.MaxDeliver || have.DeliverSubject != "":
		return fmt.Errorf("consumer %s was not made by Eventus (want pull, explicit acknowledgement, unlimited deliveries): take another name, or delete the consumer",
			want.Durable)
	}
	return nil
}
