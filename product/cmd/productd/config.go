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
	seed     bool
	logLevel slog.Level
}

// parseConfig returns [flag.ErrHelp] after it has printed the flags.
func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("productd", flag.ContinueOnError)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`address` to serve HTTP on; port 0 takes a free one (PRODUCTD_ADDR)")
	flags.StringVar(&c.data, "data", "./productd-data", "`folder` for the database and JetStream (PRODUCTD_DATA)")
	flags.BoolVar(&c.seed, "seed", true, "create a first product and show its way (PRODUCTD_SEED)")
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
	}
	return c, nil
}
