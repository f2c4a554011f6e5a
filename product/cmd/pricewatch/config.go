package main

import (
	"io"
	"log/slog"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
)

// config holds the values of the flags. The environment stands in for flags that
// are not given.
type config struct {
	nats     string
	data     string
	history  string
	stream   jetstream.Config
	list     bool
	logLevel slog.Level
}

// parseConfig returns [flag.ErrHelp] after it has printed the flags.
func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	flags := program.NewFlags("pricewatch", "pricewatch prints price changes.")
	flags.StringVar(&c.nats, "nats", "nats://127.0.0.1:4222", "`URL` of the NATS server that productd publishes to")
	flags.StringVar(&c.data, "data", "./pricewatch-data", "`folder` for the SQLite database")
	flags.StringVar(&c.history, "history", "", "`id` of the only history to take events of, which productd logs when it serves; empty takes all")
	flags.BoolVar(&c.list, "list", false, "print the products whose price has changed, and exit")
	flags.Stream(&c.stream)
	flags.Level(&c.logLevel)
	if err := flags.Parse(args, out); err != nil {
		return config{}, err
	}
	return c, nil
}
