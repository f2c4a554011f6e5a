package power

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/eventus-go/eventus/infra/natsd"
)

// The environment of the server's process.
const (
	natsAddr   = "EVENTUS_POWER_NATS"
	natsAlways = "EVENTUS_POWER_SYNC_ALWAYS"
)

// serveNATS is the server's process. It says when it is ready.
func serveNATS(dir string) error {
	server, err := natsd.Start(natsd.Config{
		Dir: dir, Addr: os.Getenv(natsAddr), SyncAlways: os.Getenv(natsAlways) != "",
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	fmt.Println("ready", server.URL())
	select {}
}
