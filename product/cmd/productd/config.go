package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/peterbourgon/ff/v3"
)

// config is what the flags say, or the environment where a flag is not given.
type config struct {
	addr     string
	data     string
	postgres string
	nats     string
	natsAddr string
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
	flags := flag.NewFlagSet("productd", flag.ContinueOnError)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to serve HTTP on; port 0 takes a free one (PRODUCTD_ADDR)")
	flags.StringVar(&c.data, "data", "./productd-data", "`folder` for the SQLite database and the embedded JetStream (PRODUCTD_DATA)")
	flags.StringVar(&c.postgres, "postgres", "", "`URL` of a PostgreSQL database to use instead of SQLite (PRODUCTD_POSTGRES)")
	flags.StringVar(&c.nats, "nats", "", "`URL` of a NATS server with JetStream to use instead of the embedded one (PRODUCTD_NATS)")
	flags.StringVar(&c.natsAddr, "nats-addr", "", "loopback `address`, such as 127.0.0.1:4222, on which the embedded NATS serves other programs; by default it serves none (PRODUCTD_NATS_ADDR)")
	flags.BoolVar(&c.seed, "seed", true, "create a first product and show its way (PRODUCTD_SEED)")
	flags.BoolVar(&c.health, "health", false, "ask the productd that serves on -addr whether it is well, and exit with 0 or 1 (PRODUCTD_HEALTH)")
	flags.TextVar(&c.logLevel, "log", slog.LevelInfo, "lowest `level` to log: DEBUG, INFO, WARN or ERROR (PRODUCTD_LOG)")
	flags.SetOutput(io.Discard) // errors are returned
	flags.Usage = func() {}
	err := ff.Parse(flags, args, ff.WithEnvVarPrefix("PRODUCTD"))
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		fmt.Fprintln(out, "productd serves the product API. Its flags, and the environment variables that stand in for them:")
		flags.PrintDefaults()
		return config{}, flag.ErrHelp
	case err != nil:
		return config{}, fmt.Errorf("%w; productd -h lists the flags", err)
	case flags.NArg() > 0:
		return config{}, fmt.Errorf("%q is not a flag; productd -h lists them", flags.Arg(0))
	case c.nats != "" && c.natsAddr != "":
		return config{}, errors.New("-nats-addr is for the embedded NATS server, and -nats replaces that one; give one of them")
	}
	return c, nil
}
