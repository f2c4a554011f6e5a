package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/peterbourgon/ff/v3"
)

// config holds the values of the flags. The environment stands in for flags that
// are not given.
type config struct {
	nats     string
	data     string
	history  string
	list     bool
	logLevel slog.Level
}

// parseConfig returns [flag.ErrHelp] after it has printed the flags.
func parseConfig(args []string, out io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("pricewatch", flag.ContinueOnError)
	flags.StringVar(&c.nats, "nats", "nats://127.0.0.1:4222", "`URL` of the NATS server that productd publishes to (PRICEWATCH_NATS)")
	flags.StringVar(&c.data, "data", "./pricewatch-data", "`folder` for the SQLite database (PRICEWATCH_DATA)")
	flags.StringVar(&c.history, "history", "", "`id` of the only history to take events of, which productd logs when it serves; empty takes all (PRICEWATCH_HISTORY)")
	flags.BoolVar(&c.list, "list", false, "print the products whose price has changed, and exit (PRICEWATCH_LIST)")
	flags.TextVar(&c.logLevel, "log", slog.LevelInfo, "lowest `level` to log: DEBUG, INFO, WARN or ERROR (PRICEWATCH_LOG)")
	flags.SetOutput(io.Discard) // errors are returned
	flags.Usage = func() {}
	err := ff.Parse(flags, args, ff.WithEnvVarPrefix("PRICEWATCH"))
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(out)
		fmt.Fprintln(out, "pricewatch prints price changes. Its flags, and the environment variables that stand in for them:")
		flags.PrintDefaults()
		return config{}, flag.ErrHelp
	case err != nil:
		return config{}, fmt.Errorf("%w; pricewatch -h lists the flags", err)
	case flags.NArg() > 0:
		return config{}, fmt.Errorf("%q is not a flag; pricewatch -h lists them", flags.Arg(0))
	}
	return c, nil
}
