package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixed returns a contender with a value for each round. The first is that of the
// warm-up.
func fixed(name string, as role, values ...float64) contender {
	return contender{name: name, role: as, measure: func(context.Context, time.Duration) (float64, error) {
		value := values[0]
		values = values[1:]
		return value, nil
	}}
}

func figureOf(contenders ...contender) figure {
	return figure{name: "test/case", title: "Test", unit: "events/s", ofLimit: 0.5, open: func(context.Context, *lab) ([]contender, error) {
		return contenders, nil
	}}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	f := figureOf(
		fixed("Eventus", ours, 999, 10, 100, 1000),
		fixed("bare", limit, 1, 20, 200, 2000),
		fixed("slow", peer, 1, 1, 1, 1),
		fixed("fast", peer, 1, 5, 50, 500))
	r := f.run(t.Context(), &lab{}, 3, time.Millisecond)
	if r.err != nil || len(r.comparisons) != 2 {
		t.Fatalf("got %v, %v", r.comparisons, r.err)
	}
	for i, want := range []struct {
		to    string
		ratio float64
	}{{"bare", 0.5}, {"fast", 2}} {
		got := r.comparisons[i]
		if got.to.name != want.to || got.ratio != (quartiles{want.ratio, want.ratio, want.ratio}) {
			t.Errorf("got %s %v, want %v", got.to.name, got.ratio, want)
		}
	}
	if got := r.ours().value; got != (quartiles{55, 100, 550}) {
		t.Errorf("quartiles: got %v", got)
	}
}

func TestAShorterLatencyIsTheHigherRatio(t *testing.T) {
	f := figureOf(fixed("Eventus", ours, 1, 2), fixed("bare", limit, 1, 1), fixed("best", limit, 1, 0.5))
	f.latency = true
	r := f.run(t.Context(), &lab{}, 1, time.Millisecond)
	if got := r.comparisons[0]; got.to.name != "best" || got.ratio.median != 0.25 {
		t.Errorf("got %v of %s, want 0.25 of best", got.ratio, got.to.name)
	}
}

func TestAFigureThatFailsDoesNotStopTheOthers(t *testing.T) {
	broken := contender{name: "broken", role: limit, measure: rate(2, 1, func(context.Context, int) error { return errors.New("out of paper") })}
	results, failed := runAll(t.Context(), &lab{}, []figure{
		figureOf(fixed("Eventus", ours, 1, 1), broken),
		figureOf(fixed("Eventus", ours, 1, 1), fixed("bare", limit, 1, 2)),
	}, 1, time.Millisecond)
	if failed != 1 || len(results) != 2 || results[1].err != nil {
		t.Fatalf("got %d failed of %v", failed, results)
	}
	if got := results[0].err.Error(); got != "broken: out of paper" {
		t.Errorf("got %q", got)
	}
	dir := t.TempDir()
	if err := (report{facts: []fact{{"machine", "a machine"}}, results: results}).write(dir); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"figures.md":  "| Test | bare | 0.50 | 0.50 to 0.50 | 0.5, met |",
		"figures.csv": "test/case,,,events/s,,,,,,,,broken: out of paper",
		"test.svg":    "bare (limit)",
		"ratios.svg":  "test/case, of bare",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %q: %v", file, want, err)
		}
	}
}

func TestPayloadsHave300Bytes(t *testing.T) {
	data, err := json.Marshal(newItem(7))
	if err != nil || len(data) != 300 {
		t.Errorf("got %d bytes, %v", len(data), err)
	}
}

func TestNamesOfFiguresDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range figures() {
		if seen[f.name] || !strings.Contains(f.name, "/") || f.title == "" || f.unit == "" {
			t.Errorf("figure %q", f.name)
		}
		seen[f.name] = true
	}
}
