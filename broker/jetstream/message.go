package jetstream

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/broker"
)

// keyHeader carries the Key, which the subject holds only as its hash.
const keyHeader = "Eventus-Key"

// encoder maps messages that were checked to those of NATS. Each takes the place of
// the one before, so that their headers need no memory of their own.
type encoder struct {
	broker *Broker
	msg    nats.Msg
	set    int // headers of this message
}

// encode maps m. Again, if it is not empty, makes its Nats-Msg-Id one that the
// server does not know.
func (e *encoder) encode(m *broker.Message, again string) *nats.Msg {
	if e.msg.Header == nil {
		e.msg.Header = make(nats.Header, len(m.Header)+3)
	}
	e.msg.Subject, e.msg.Data, e.set = e.broker.subject(m.Topic, m.Key), m.Data, 0
	for name, value := range m.Header {
		e.header(name, value)
	}
	suffix := ""
	if again != "" {
		e.header(againHeader, again)
		suffix = ";" + again
	}
	if m.ID != "" {
		e.header(jetstream.MsgIDHeader, url.PathEscape(m.ID)+suffix)
	}
	if m.Key != "" {
		e.header(keyHeader, url.PathEscape(m.Key))
	}
	if e.set < len(e.msg.Header) { // the message before has others
		e.msg.Header = nil
		return e.encode(m, again)
	}
	return &e.msg
}

func (e *encoder) header(name, value string) {
	if values, ok := e.msg.Header[name]; ok {
		values[0] = value
	} else {
		e.msg.Header[name] = []string{value}
	}
	e.set++
}

// decode is the way back. It takes messages of other producers as well: one
// without our headers has an empty ID and Key.
func (b *Broker) decode(m *nats.Msg) broker.Message {
	topic, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, b.cfg.Prefix+"."), ".")
	out := broker.Message{
		ID:    unescape(m.Header, jetstream.MsgIDHeader),
		Topic: topic,
		Key:   unescape(m.Header, keyHeader),
		Data:  m.Data,
	}
	for name, values := range m.Header {
		if !reserved(name) && len(values) > 0 {
			if out.Header == nil {
				out.Header = make(map[string]string, len(m.Header))
			}
			out.Header[name] = values[0]
		}
	}
	return out
}

func unescape(h nats.Header, name string) string {
	value := h.Get(name)
	if again := h.Get(againHeader); again != "" && name == jetstream.MsgIDHeader {
		value = strings.TrimSuffix(value, ";"+again)
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value // another producer's, and not escaped
}

// subject is where a message goes. The partition is the FNV-1a hash of the key,
// of 32 bits, modulo their number.
func (b *Broker) subject(topic, key string) string {
	hash := uint32(2166136261)
	for i := range len(key) {
		hash = (hash ^ uint32(key[i])) * 16777619
	}
	return b.cfg.Prefix + "." + topic + "." + strconv.Itoa(int(hash%uint32(b.cfg.Partitions)))
}

// checkAll refuses what the contract refuses, and headers that are not ours to
// send: "Nats-Rollup: all" would delete the stream's messages, and a client
// takes a message with "Status" for the server's own word.
func checkAll(messages []broker.Message) error {
	if err := broker.CheckAll(messages); err != nil {
		return err
	}
	for i, m := range messages {
		for name := range m.Header {
			if reserved(name) {
				return &broker.RefusedError{Index: i, ID: m.ID, Err: fmt.Errorf(
					"the header %s belongs to NATS or to this package: take another name", name)}
			}
		}
	}
	return nil
}

func reserved(name string) bool {
	return len(name) >= len("nats-") && strings.EqualFold(name[:len("nats-")], "nats-") ||
		strings.EqualFold(name, "status") || strings.EqualFold(name, "description") ||
		strings.EqualFold(name, keyHeader) || strings.EqualFold(name, againHeader)
}
