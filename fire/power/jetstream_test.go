package power

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/eventus-go/eventus/fire/powercut"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/store"
)

// TestJetStream cuts the power under a NATS server. Store, relay and receiver are on
// another machine, which has power. Whatever the server loses, the view of the
// receiver is right in the end. With sync_interval: always the server has what it
// confirmed, as long as a file's name is durable with the file; the other lines say
// how much it loses.
func TestJetStream(t *testing.T) {
	for _, v := range []struct {
		name   string
		always bool
		names  powercut.Names
	}{
		{"sync_interval: always, names by journal", true, powercut.ByJournal},
		{"sync_interval: always, names by folder", true, powercut.ByFolder},
		{"default, names by journal", false, powercut.ByJournal},
		{"default, names by folder", false, powercut.ByFolder},
	} {
		t.Run(v.name, func(t *testing.T) {
			if testing.Short() && v.names == powercut.ByFolder {
				t.Skip("without -short")
			}
			trial := newTrial(t, "JetStream, "+v.name)
			defer trial.done()
			missing, refused := 0, 0
			for trial.more() {
				s := &site{trial: trial, always: v.always, names: v.names, confirmed: make(map[string]bool)}
				s.open()
				for lap := 0; lap < cutsOfAFile && (lap == 0 || trial.more()); lap++ {
					s.cutJetStream()
				}
				s.settle()
				s.close()
				missing += s.missing
				refused += s.refused
				trial.result.acknowledged += len(s.confirmed)
			}
			if !v.always || v.names == powercut.ByFolder {
				trial.result.remark = fmt.Sprintf("summed over the cuts %d confirmed messages were missing in the broker, and are in the view; the server refused a consumer %d times", missing, refused)
			}
		})
	}
}

func (s *site) cutJetStream() {
	fs := s.powerOn(powercut.Options{Names: s.names})
	cut := s.cutSoon(fs, 3000)
	server := s.serve()
	ctx, stop := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.store.Append(ctx, store.Stream{Category: category, ID: fmt.Sprint("w", w)}, store.Any, newEvents(3)); err != nil && ctx.Err() == nil {
					s.Errorf("%v", err)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	s.await(cut, server.ended)
	stop()
	writers.Wait()
	server.kill()
	s.must(fs.Close())
	s.compare()
}

// compare looks for what was confirmed in the files that are left.
func (s *site) compare() {
	found, err := s.events(s.copyDisk())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.lose("the server does not start, after %d confirmations: %v", len(s.confirmed), err)
		return
	}
	missing := 0
	for id := range s.confirmed {
		if !found[id] {
			missing++
		}
	}
	s.missing += missing
	if s.always && s.names == powercut.ByJournal && missing > 0 {
		s.lose("of %d confirmed messages %d are missing; %d are there", len(s.confirmed), missing, len(found))
	}
}

// events returns the ids of the events that a server on dir has.
func (s *site) events(dir string) (map[string]bool, error) {
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer server.Shutdown()
	nc, err := server.Connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	info, err := js.StreamInfo("EVENTUS")
	if errors.Is(err, nats.ErrStreamNotFound) || err == nil && info.State.Msgs == 0 {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	sub, err := js.SubscribeSync("eventus.>", nats.OrderedConsumer())
	if err != nil {
		return nil, err
	}
	for {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			return nil, err
		}
		found[m.Header.Get("ce-id")] = true
		if meta, err := m.Metadata(); err != nil || meta.NumPending == 0 {
			return found, err
		}
	}
}

// corrupt is what the server says again and again of a consumer whose state it cannot
// read, and which it makes no more.
const corrupt = "corrupt state file"

// settle gives the broker power for good, and waits until the view is that of the log.
// Where the server refuses to make the consumer again, which is counted, it does what
// docs/fire.md tells the operator to do.
func (s *site) settle() {
	difference, said := s.catchUp()
	if difference != "" && strings.Contains(said, corrupt) && !s.always {
		s.refused++
		s.must(os.RemoveAll(filepath.Join(s.disk(), "jetstream", "$G", "streams", "EVENTUS", "obs")))
		difference, said = s.catchUp()
	}
	if difference != "" {
		s.Errorf("the view is not that of the log: %s\n%s\nthe server says:\n%s", difference, s.lines.last(), said)
	}
}

// catchUp gives power until the view is that of the log, and no longer than the view
// stands still for 20 seconds. It returns the difference that is left, and what the
// server said.
func (s *site) catchUp() (difference, said string) {
	fs := s.powerOn(powercut.Options{Names: s.names})
	server := s.serve()
	before := ""
	for end := time.Now().Add(standstill); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if difference = s.difference(); difference == "" {
			break
		}
		if difference != before {
			before, end = difference, time.Now().Add(standstill)
		}
	}
	server.kill()
	s.must(fs.Close())
	return difference, server.said.String()
}

const standstill = 20 * time.Second
