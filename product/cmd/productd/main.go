// Command productd serves the sample service of Eventus.
//
// Without flags it is one process that needs nothing: events and read model in
// SQLite, an embedded NATS JetStream to which the events are published, and the
// HTTP API on loopback. With -postgres and -nats it is one of any number of
// processes that share a database and a NATS server. Each takes commands and
// answers queries. One of them writes the read model and one publishes, while the
// others stand by. None of them needs NATS to take commands.
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
