// Command productd serves the sample service of Eventus.
//
// Without flags it is one process that needs nothing: the events in SQLite, an
// embedded NATS JetStream between them and the read model, and the HTTP API on
// loopback. With -postgres and -nats it is one of any number of processes that
// share a database and a NATS server: each takes commands and answers queries,
// their projections share the events, and the relay of one of them publishes
// while the others stand by.
//
// "productd -h" lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal kills
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "productd:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}
