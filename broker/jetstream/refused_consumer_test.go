package jetstream_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/infra/natsd"
)

// A power loss can leave a state of a consumer that the server does not read, and for
// which it refuses the consumer from then on.
func TestAConsumerWithACorruptStateIsAnErrorThatSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	b := open(t, connect(t, serve(t, natsd.Config{Dir: dir})), jetstream.Config{})
	left := filepath.Join(dir, "jetstream", "$G", "streams", "EVENTUS", "obs", "reader@product")
	if err := os.MkdirAll(left, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "o.dat"), make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := b.Subscribe(t.Context(), "reader", "product", broker.FromFirst)
	if err == nil || !strings.Contains(err.Error(), "remove the folder obs/reader@product of stream EVENTUS") {
		t.Fatalf("error %v", err)
	}
	if err := os.RemoveAll(left); err != nil {
		t.Fatal(err)
	}
	sub, err := b.Subscribe(t.Context(), "reader", "product", broker.FromFirst)
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
}
