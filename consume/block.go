package consume

import (
	"context"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
)

// blockedAfter is how long an append may be open before a follower says that it
// holds up the log.
const blockedAfter = 2 * time.Second

// blockOf returns the zero LogBlock for a log that is not a [store.Blockable].
func blockOf(ctx context.Context, log store.Log) (store.LogBlock, error) {
	if b, ok := log.(store.Blockable); ok {
		return b.BlockedBy(ctx)
	}
	return store.LogBlock{}, nil
}

// blockAfter returns what keeps a reader from going on after a position, if it
// has for blockedAfter.
func blockAfter(ctx context.Context, log store.Log, position int64) (store.LogBlock, error) {
	if _, ok := log.(store.Blockable); !ok {
		return store.LogBlock{}, nil
	}
	// A log finds out about a missing position when it is read.
	next, err := log.ReadAll(ctx, position, 1)
	if err != nil || len(next) > 0 {
		return store.LogBlock{}, err
	}
	block, err := blockOf(ctx, log)
	if err != nil || len(block.By) == 0 {
		return store.LogBlock{}, err
	}
	// This process may have looked for the first time.
	if began := block.By[0].Began; !began.IsZero() && began.Before(block.Since) {
		block.Since = began
	}
	if time.Since(block.Since) < blockedAfter {
		return store.LogBlock{}, nil
	}
	return block, nil
}

// compareBlock logs, once for each time, that the log is held up, and that it
// goes on. It is no more than a hint: an error of it is logged at debug level,
// and those who read the log meet it too.
func (m *member[Tx]) compareBlock(ctx context.Context) {
	block, err := m.db.BlockedBy(ctx)
	switch {
	case err != nil:
		m.log.Debug("it is not known whether the log is held up", slog.Any("error", err))
	case len(block.By) == 0:
		if !m.toldBlock.IsZero() {
			m.log.Info("the log is held up no more")
		}
		m.toldBlock = time.Time{}
	case len(m.workers) > 0 && time.Since(block.Since) >= blockedAfter && !block.Since.Equal(m.toldBlock):
		m.toldBlock = block.Since
		by := block.By[0]
		m.log.Warn("the log is held up: a transaction has appended and is still open, and what was appended after it waits; end that transaction",
			slog.Int64("position", block.Position), slog.Time("since", block.Since), slog.Int("transactions", len(block.By)), slog.Int("pid", by.PID),
			slog.String("prepared", by.Prepared), slog.String("application", by.Application), slog.String("state", by.State), slog.Time("began", by.Began))
	}
}
