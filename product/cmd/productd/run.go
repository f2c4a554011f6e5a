package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/product/cmd/internal/program"
	"golang.org/x/sync/errgroup"
)

// consumer is the name of the projection's place in the log. A changed name would
// start a new consumer.
const consumer = "product_views"

// run serves until ctx ends, then finishes what is in hand and returns nil. An
// error says what to do; nothing is left running.
func run(ctx context.Context, args []string, out io.Writer) error {
	cfg, err := parseConfig(args, out)
	if err != nil {
		return err
	}
	if cfg.health {
		return askHealth(ctx, cfg.addr)
	}
	p := instance{cfg: cfg, log: program.NewLogger(out, cfg.logLevel), serverLog: program.NewLogger(out, max(cfg.logLevel, slog.LevelWarn))}
	var data *folder
	if cfg.needsFolder() {
		if data, err = openFolder(cfg.data); err != nil {
			return err
		}
		defer data.close()
	}
	if p.listener, err = listen(cfg.addr); err != nil {
		return err
	}
	defer p.listener.Close()
	if p.nats, err = p.messaging(ctx, data); err != nil {
		return err
	}
	defer p.nats.close()
	if cfg.postgres != "" {
		db, err := openPostgres(ctx, cfg.postgres)
		if err != nil {
			return err
		}
		return runOn(ctx, p, db)
	}
	db, err := openSQLite(ctx, data.database())
	if err != nil {
		return err
	}
	return runOn(ctx, p, db)
}

// instance is a running productd without its database.
type instance struct {
	cfg       config
	log       *slog.Logger
	serverLog *slog.Logger // of the embedded NATS server
	listener  net.Listener
	nats      *messaging
}

func (p instance) messaging(ctx context.Context, data *folder) (*messaging, error) {
	if p.cfg.nats != "" {
		return joinMessaging(ctx, p.cfg.nats, p.cfg.stream, p.log)
	}
	return embedMessaging(ctx, natsd.Config{Dir: data.jetStream(), Addr: p.cfg.natsAddr, Logger: p.serverLog}, p.cfg.stream, p.log)
}

// runOn is run on a database, which it closes.
func runOn[Tx any](ctx context.Context, p instance, db *database[Tx]) error {
	defer db.close()
	log := p.log
	history, err := db.events.History(ctx)
	if err != nil {
		return err
	}
	relay := outbox.New(db.events, p.nats.broker, outbox.Config{
		Source: "product", Categories: []string{product.Products.Category()}, Logger: log,
	})
	projection := product.NewProjection(db.views)
	follower := consume.Follow(consumer, db.events, consume.Config{Wake: p.nats.broker, Logger: log},
		consume.On(product.Products, projection.Handle), consume.OnReset(projection.Reset))

	products := eventus.NewRepository(db.events, product.Products, eventus.WithSnapshotEvery(100), eventus.WithLogger(log))
	commands := product.NewCommands(products)
	queries := product.NewQueries(db.views, follower, products)
	health := health[Tx]{time.Now(), db, p.nats, relay, follower}
	api := product.NewAPI(commands, queries, product.Config{Live: health.live, Ready: health.ready, Passing: db.events.IsTransient, Logger: log})

	// Relay and follower stop after the server: a request that waits for the read
	// model still gets its answer. When one of the group fails, all stop.
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	g, workers := errgroup.WithContext(workers)
	ctx, stop := context.WithCancel(ctx)
	context.AfterFunc(workers, stop)
	g.Go(func() error { return relay.Run(workers) })
	g.Go(func() error { return follower.Run(workers) })
	g.Go(func() error {
		defer stopWorkers()
		return serve(ctx, p.listener, product.NewServer(api, log), log)
	})
	g.Go(func() error {
		url := "http://" + reachable(p.listener.Addr())
		if p.cfg.seed {
			s := seed[Tx]{log, commands, queries, db, p.nats.conn, p.cfg.stream.Prefix, relay, follower}
			if err := s.plant(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("seed: %w", err)
			}
			log.Info("try it: curl " + url + "/products/" + seedID)
		}
		log.Info("serving; Ctrl-C stops", slog.String("url", url), slog.String("data", p.cfg.where()), slog.String("history", history))
		return nil
	})
	err = g.Wait()
	log.Info("stopped")
	return err
}

func listen(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program; stop that one, or choose another address by -addr", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (%w); choose another address by -addr", addr, err)
	}
	return listener, nil
}

// reachable returns an address of this machine for one that is listened on: a
// program that listens on all of them is reached on loopback.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// serve answers requests until ctx ends, and then those that have begun.
func serve(ctx context.Context, listener net.Listener, server *http.Server, log *slog.Logger) error {
	const grace = 10 * time.Second
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping, after what is in hand; another Ctrl-C kills")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests were cut off", slog.Any("error", err))
		return server.Close()
	}
	return nil
}
