// Command bench measures Eventus against its limits and against other libraries.
// A limit is the same work in the plainest pgx, database/sql or nats.go.
//
// It starts what it needs: PostgreSQL from the programs on this machine, with
// fsync on, and a NATS server in this process. It prints tables. With -out it
// also writes them as Markdown and CSV, and plots as SVG. docs/performance.md
// explains the method and the figures.
//
// A figure that fails does not stop the others. The exit code is then 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// figures returns all figures in the order of the table.
func figures() []figure {
	return slices.Concat(saveFigures(), loadFigures(), updateFigures(), growthFigures(), relayFigures(), followFigures(), sqliteFigures(), serviceFigures())
}

func run(ctx context.Context) (err error) {
	pattern := flag.String("run", ".", "run the figures whose names match this `regexp`")
	rounds := flag.Int("rounds", 15, "`slices` of each contender")
	slice := flag.Duration("slice", 400*time.Millisecond, "how long a slice is")
	out := flag.String("out", "", "`folder` for the tables and the plots; without one they are not written")
	grown := flag.Int("grown", 1_000_000, "`events` in a log that has grown")
	long := flag.Int("long", 20_000, "`events` in a long stream")
	profile := flag.String("cpuprofile", "", "`file` for a profile of this process")
	list := flag.Bool("list", false, "list the figures and exit")
	flag.Parse()

	wanted, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if *rounds < 1 || *slice <= 0 || *grown < 1 || *long < 1 {
		return fmt.Errorf("-rounds, -slice, -grown and -long are positive")
	}
	selected := slices.DeleteFunc(figures(), func(f figure) bool { return !wanted.MatchString(f.name) })
	if len(selected) == 0 {
		return fmt.Errorf("no figure matches -run %s; -list shows all", *pattern)
	}
	if *list {
		for _, f := range selected {
			fmt.Printf("%-18s %s\n", f.name, f.title)
		}
		return nil
	}
	if *profile != "" {
		end, err := startProfile(*profile)
		if err != nil {
			return err
		}
		defer end()
	}
	l, err := newLab(*grown, *long)
	if err != nil {
		return err
	}
	defer func() {
		if closed := l.close(); err == nil {
			err = closed
		}
	}()

	results, failed := runAll(ctx, l, selected, *rounds, *slice)
	r := report{facts: lookAround(ctx, l, *rounds, *slice), results: results}
	r.print(os.Stdout)
	if *out != "" {
		if err := r.write(*out); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d figures failed", failed, len(results))
	}
	return ctx.Err()
}

// runAll runs figures until ctx ends. It reports each on stderr.
func runAll(ctx context.Context, l *lab, figures []figure, rounds int, slice time.Duration) (results []result, failed int) {
	for _, f := range figures {
		if ctx.Err() != nil {
			break
		}
		started := time.Now()
		r := f.run(ctx, l, rounds, slice)
		results = append(results, r)
		if r.err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s failed: %v\n", f.name, r.err)
			continue
		}
		fmt.Fprintf(os.Stderr, "%s took %v\n", f.name, time.Since(started).Round(100*time.Millisecond))
	}
	return results, failed
}

func startProfile(path string) (end func(), err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); _ = file.Close() }, nil
}
