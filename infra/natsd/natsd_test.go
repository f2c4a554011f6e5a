package natsd_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventus-go/eventus/infra/natsd"
)

func start(t *testing.T, cfg natsd.Config) *natsd.Server {
	t.Helper()
	srv, err := natsd.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	return srv
}

func TestMessagesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	for round, want := range []uint64{1, 2} {
		srv := start(t, natsd.Config{Dir: dir, SyncAlways: round == 0})
		if srv.URL() != "" {
			t.Errorf("listens on %s, unasked", srv.URL())
		}
		nc, err := srv.Connect()
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish(t.Context(), "s", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Sequence != want {
			t.Errorf("round %d: got sequence %d, want %d", round, ack.Sequence, want)
		}
		nc.Close()
		srv.Shutdown()
		srv.Shutdown()
	}
}

func TestListensOnLoopbackWhenAsked(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0", "localhost:0"} {
		srv := start(t, natsd.Config{Dir: t.TempDir(), Addr: addr})
		host := strings.TrimPrefix(srv.URL(), "nats://")
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if ip := c.RemoteAddr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%s: listens on %v", addr, ip)
		}
	}
}

// Each error says what to do.
func TestErrors(t *testing.T) {
	running := start(t, natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	locked := t.TempDir()
	start(t, natsd.Config{Dir: locked})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  natsd.Config
		want string
	}{
		"no folder":       {natsd.Config{}, "Dir is empty: name the folder"},
		"not a folder":    {natsd.Config{Dir: filepath.Join(file, "sub")}, "choose a Dir that this user may write to"},
		"a folder in use": {natsd.Config{Dir: locked}, "in use by another server"},
		"a port in use":   {natsd.Config{Dir: t.TempDir(), Addr: strings.TrimPrefix(running.URL(), "nats://")}, "address already in use: choose another Addr"},
		"no port":         {natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1"}, "want for example 127.0.0.1:4222"},
		"a bad port":      {natsd.Config{Dir: t.TempDir(), Addr: "127.0.0.1:x"}, "port is not a number"},
		"no such file":    {natsd.Config{Dir: t.TempDir(), File: file + "x"}, "File: "},
		"all interfaces":  {natsd.Config{Dir: t.TempDir(), Addr: "0.0.0.0:0"}, "not a loopback address"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := natsd.Start(c.cfg)
			if err == nil {
				srv.Shutdown()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
	// A start that failed leaves the folder free.
	dir := t.TempDir()
	if _, err := natsd.Start(natsd.Config{Dir: dir, Addr: strings.TrimPrefix(running.URL(), "nats://")}); err == nil {
		t.Fatal("it started on a port in use")
	}
	start(t, natsd.Config{Dir: dir})
}

func TestLogsToTheLogger(t *testing.T) {
	var log bytes.Buffer
	srv := start(t, natsd.Config{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	srv.Shutdown()
	if !strings.Contains(log.String(), "Starting nats-server") {
		t.Errorf("got %q", log.String())
	}
}
