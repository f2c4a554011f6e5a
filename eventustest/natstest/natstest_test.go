package natstest_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/infra/natsd"
)

// create makes a stream and says how many there are.
func create(t *testing.T, name string) int {
	t.Helper()
	js, err := jetstream.New(natstest.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range js.StreamNames(t.Context()).Name() {
		n++
	}
	return n
}

func TestEachTestHasAServerOfItsOwn(t *testing.T) {
	t.Setenv("EVENTUS_TEST_NATS", "")
	for _, name := range []string{"ONE", "ANOTHER"} {
		if n := create(t, name); n != 1 {
			t.Errorf("%d streams, want 1", n)
		}
	}
}

func TestTheEnvironmentNamesTheServer(t *testing.T) {
	t.Setenv("EVENTUS_TEST_NATS", natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"}).URL())
	for i, name := range []string{"ONE", "ANOTHER"} {
		if n := create(t, name); n != i+1 {
			t.Errorf("%d streams, want %d", n, i+1)
		}
	}
}
