// Command pricewatch prints the price changes of the sample service of Eventus.
//
// It is a service of its own: it cannot read productd's database, does not share
// its code, and gets its events from NATS alone. What it knows of them is in
// events.go. Its read model and its inbox are in one SQLite database in its data
// folder, so that each event takes effect once and in order, also when the
// program is killed or NATS delivers a message again.
//
// Each price change is a line on the standard output, and "pricewatch -list"
// prints the read model. Everything else goes to the standard error. When the
// program was killed, it may print its last lines again; the read model is exact.
//
// When the log asks to rebuild the consumer, stop the program, remove the data
// folder and start the program again: it reads everything that NATS holds. With
// -history it takes the events of one store alone, whoever else publishes.
//
// "pricewatch -h" lists the flags.
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
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "pricewatch:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}
