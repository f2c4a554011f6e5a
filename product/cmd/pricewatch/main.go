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
	"os"

	"github.com/eventus-go/eventus/product/cmd/internal/program"
)

func main() {
	program.Main("pricewatch", func(ctx context.Context, args []string) error { return run(ctx, args, os.Stdout, os.Stderr) })
}
