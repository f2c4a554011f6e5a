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
	"os"

	"github.com/eventus-go/eventus/product/cmd/internal/program"
)

func main() {
	program.Main("productd", func(ctx context.Context, args []string) error { return run(ctx, args, os.Stdout) })
}
