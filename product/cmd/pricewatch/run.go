package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/eventus-go/eventus/broker/jetstream"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
	"golang.org/x/sync/errgroup"
)

const (
	// consumer is the name of what the inbox holds. A changed name would start a
	// new consumer.
	consumer = "pricewatch"
	// source is what productd calls itself in its messages.
	source = "product"
	// databaseFile is in the data folder.
	databaseFile = "prices.db"
)

// run watches until ctx ends, then finishes what it has begun and returns nil.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	cfg, err := parseConfig(args, out)
	if err != nil {
		return err
	}
	file := filepath.Join(cfg.data, databaseFile)
	if cfg.list {
		return list(ctx, file, out)
	}
	log := program.NewLogger(errs, cfg.logLevel)
	unlock, err := program.LockFolder("pricewatch", cfg.data)
	if err != nil {
		return err
	}
	defer unlock()
	p, err := openPrices(ctx, file)
	if err != nil {
		return err
	}
	defer p.close()
	conn, err := connect(ctx, cfg.nats, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg.stream.Lazy = true
	broker, err := jetstream.New(ctx, conn, cfg.stream)
	if err != nil {
		return program.StreamError(err)
	}
	receiver := consume.Receive(consume.Idempotent(consumer, p.inbox, p.handle, consume.Retry{}), products, broker,
		consume.ReceiveConfig{Source: source, History: cfg.history, RequireVersion: true, Logger: log})

	// Printing ends after the receiver, whose last changes are printed too.
	receiving, stop := context.WithCancel(ctx)
	printing, stopPrinting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPrinting()
	var g errgroup.Group
	g.Go(func() error {
		defer stopPrinting()
		return receiver.Run(receiving)
	})
	g.Go(func() error {
		defer stop()
		return p.print(printing, out)
	})
	log.Info("watching; Ctrl-C stops", slog.String("data", cfg.data))
	err = g.Wait()
	log.Info("stopped")
	return err
}

// list prints the read model, also while another process works on it.
func list(ctx context.Context, file string, out io.Writer) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s; name the folder of a pricewatch by -data", file)
	}
	p, err := openPrices(ctx, file)
	if err != nil {
		return err
	}
	defer p.close()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PRODUCT\tNAME\tOLD PRICE\tNEW PRICE\tWHEN\tCHANGES")
	err = p.list(ctx, func(c change) {
		fmt.Fprintf(table, "%s\t%q\t%v\t%v\t%s\t%d\n", quoted(c.id), c.name, c.old, c.now, c.at, c.times)
	})
	return errors.Join(err, table.Flush())
}
