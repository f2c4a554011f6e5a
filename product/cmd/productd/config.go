package main

import (
	"errors"
	"io"
	"log/slog"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
)

// config is what the flags say, or the environment where a flag is not given.
type config struct {
	addr     string
	data     string
	postgres string
	nats     string
	natsAddr string
	stream   jetstream.Config
	seed     bool
	health   bool
	logLevel slog.Level
}

// needsFolder reports whether the data folder is used at all.
func (c config) needsFolder() bool { return c.postgres == "" || c.nats == "" }

// where says what the service keeps its data in.
func (c config) where() string {
	switch {
	case c.postgres == "":
		return c.data
	case c.nats == "":
		return "PostgreSQL, " + c.data
	}
	return "PostgreSQL, NATS"
}

// parseConfig returns [flag.ErrHelp] after it has printed the flags.
func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	flags := program.NewFlags("productd", "productd serves the product API.")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to serve HTTP on; port 0 takes a free one")
	flags.StringVar(&c.data, "data", "./productd-data", "`folder` for the SQLite database and the embedded JetStream")
	flags.StringVar(&c.postgres, "postgres", "", "`URL` of a PostgreSQL database to use instead of SQLite")
	flags.StringVar(&c.nats, "nats", "", "`URL` of a NATS server with JetStream to use instead of the embedded one")
	flags.StringVar(&c.natsAddr, "nats-addr", "", "loopback `address`, such as 127.0.0.1:4222, on which the embedded NATS serves other programs; by default it serves none")
	flags.BoolVar(&c.seed, "seed", true, "create a first product and show its way")
	flags.BoolVar(&c.health, "health", false, "ask the productd that serves on -addr whether it is well, and exit with 0 or 1")
	flags.Stream(&c.stream)
	flags.Publishing(&c.stream)
	flags.Level(&c.logLevel)
	if err := flags.Parse(args, out); err != nil {
		return config{}, err
	}
	if c.nats != "" && c.natsAddr != "" {
		return config{}, errors.New("-nats-addr is for the embedded NATS server, and -nats replaces that one; give one of them")
	}
	return c, nil
}
