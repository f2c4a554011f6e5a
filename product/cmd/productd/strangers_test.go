package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/product"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Nothing that the broker does or holds takes effect in the read model: messages
// that strangers have forged, rubbish, a flood of invented streams, and a stream
// that is purged or removed.
func TestTheBrokerCannotHarmTheReadModel(t *testing.T) {
	for name, harm := range map[string]func(s *stranger, round int){
		"it holds forged versions":   (*stranger).forge,
		"it holds rubbish":           (*stranger).rubbish,
		"it is flooded with streams": (*stranger).flood,
		"it is purged":               (*stranger).purge,
		"it loses its stream":        (*stranger).remove,
	} {
		t.Run(name, func(t *testing.T) {
			server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
			folder := t.TempDir()
			p := start(t, "-data", folder, "-nats", server.URL(), "-seed=false")
			s := newStranger(t, server.URL())
			acks := &acknowledged{}
			const rounds, products = 5, 4
			for round := range rounds {
				var both sync.WaitGroup
				both.Go(func() { harm(s, round) })
				for n := range products {
					change(t, acks, p.url, fmt.Sprint("p-", n), round)
				}
				both.Wait()
			}
			for n := range products {
				get(t, fmt.Sprintf("%s/products/p-%d?wait=%d", p.url, n, rounds))
			}
			h := readiness(t, p.url, func(h product.Health) bool { return h.Consumer.LagEvents == 0 })
			if h.Consumer.Status != "running" || len(h.Consumer.Parked) != 0 {
				t.Errorf("the consumer is %+v", h.Consumer)
			}
			if err := p.stop(); err != nil {
				t.Fatal(err)
			}
			compare(t, auditSQLite(t, filepath.Join(folder, "product.db")), acks)
		})
	}
}

// change creates a product in the first round and renames it in the others.
func change(t *testing.T, acks *acknowledged, url, id string, round int) {
	t.Helper()
	method, path, body := http.MethodPut, url+"/products/"+id+"/name", fmt.Sprintf(`{"name":"n%d"}`, round)
	if round == 0 {
		method, path = http.MethodPost, url+"/products"
		body = fmt.Sprintf(`{"id":%q,"name":"n","price":{"amount":1,"currency":"EUR"}}`, id)
	}
	if status := send(t.Context(), acks, id, method, path, body); status != http.StatusOK && status != http.StatusCreated {
		t.Errorf("%s is answered by %d", path, status)
	}
}

// stranger may publish to the service's subjects and manage its JetStream.
type stranger struct {
	t    *testing.T
	conn *nats.Conn
	js   jetstream.JetStream
}

func newStranger(t *testing.T, url string) *stranger {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return &stranger{t, conn, js}
}

// publish sends an event that looks like one of the service, to every subject of
// its topic.
func (s *stranger) publish(id, eventType string, version int, data string) {
	for partition := range 16 {
		m := nats.NewMsg(fmt.Sprintf("eventus.product.%d", partition))
		for name, value := range map[string]string{
			"specversion": "1.0", "id": fmt.Sprintf("%x", rand.Uint64()), "type": eventType, "source": "product",
			"time": time.Now().UTC().Format(time.RFC3339Nano), "subject": id, "datacontenttype": "application/json",
			"streamversion": fmt.Sprint(version), "position": fmt.Sprint(version),
		} {
			m.Header.Set("ce-"+name, value)
		}
		m.Data = []byte(data)
		s.send(m)
	}
}

func (s *stranger) send(m *nats.Msg) {
	if err := s.conn.PublishMsg(m); err != nil {
		s.t.Error(err)
	}
}

// forge publishes the versions that come next, and some that have been.
func (s *stranger) forge(round int) {
	for n := range 4 {
		id := fmt.Sprint("p-", n)
		for version := round; version < round+3; version++ {
			s.publish(id, "product.renamed", version, `{"name":"forged"}`)
			s.publish(id, "product.discontinued", version+1, `{}`)
		}
		s.publish("forged-"+id, "product.created", 1, `{"name":"forged","price":{"amount":1,"currency":"EUR"}}`)
	}
	s.flush()
}

func (s *stranger) rubbish(int) {
	for n := range 500 {
		m := nats.NewMsg(fmt.Sprintf("eventus.product.%d", n%16))
		m.Data = make([]byte, rand.IntN(200))
		for i := range m.Data {
			m.Data[i] = byte(rand.Uint32())
		}
		if n%2 == 0 {
			m.Header.Set("ce-specversion", "1.0")
			m.Header.Set("ce-streamversion", "-1")
		}
		s.send(m)
	}
	s.flush()
}

func (s *stranger) flood(round int) {
	for n := range 300 { // 4,800 messages
		s.publish(fmt.Sprintf("invented-%d-%d", round, n), "product.renamed", 7, `{"name":"invented"}`)
	}
	s.flush()
}

func (s *stranger) flush() {
	if err := s.conn.Flush(); err != nil {
		s.t.Error(err)
	}
}

func (s *stranger) purge(int) {
	stream, err := s.js.Stream(s.t.Context(), "EVENTUS")
	if err == nil {
		err = stream.Purge(s.t.Context())
	}
	if err != nil {
		s.t.Error(err)
	}
}

// remove takes the stream away in the middle of the rounds; the relay makes it
// again.
func (s *stranger) remove(round int) {
	if round != 2 {
		return
	}
	if err := s.js.DeleteStream(s.t.Context(), "EVENTUS"); err != nil {
		s.t.Error(err)
	}
}
