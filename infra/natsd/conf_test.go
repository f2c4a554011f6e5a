package natsd

import (
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The configuration file of docker-compose.yml, but for addresses and folder.
func TestTheServerOfTheComposeFileStarts(t *testing.T) {
	opts, err := server.ProcessConfigFile("../nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Port != 4222 || opts.HTTPPort != 8222 || opts.StoreDir != "/data" {
		t.Errorf("the compose file counts on the ports 4222 and 8222 and the folder /data, got %d, %d, %s",
			opts.Port, opts.HTTPPort, opts.StoreDir)
	}
	if !opts.JetStream || !opts.SyncAlways {
		t.Errorf("JetStream is %v, sync_interval: always is %v", opts.JetStream, opts.SyncAlways)
	}
	opts.Host, opts.Port, opts.HTTPHost, opts.HTTPPort = "127.0.0.1", server.RANDOM_PORT, "127.0.0.1", server.RANDOM_PORT
	opts.StoreDir, opts.NoLog, opts.NoSigs = t.TempDir(), true, true
	nats, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go nats.Start()
	defer nats.WaitForShutdown()
	defer nats.Shutdown()
	if !nats.ReadyForConnections(30 * time.Second) {
		t.Fatal("not ready")
	}
	health, err := http.Get("http://" + nats.MonitorAddr().String() + "/healthz?js-enabled-only=true")
	if err != nil {
		t.Fatal(err)
	}
	defer health.Body.Close()
	if health.StatusCode != http.StatusOK {
		t.Errorf("the health check got %s", health.Status)
	}
}
