package outbox_test

import (
	"log/slog"
	"os"
	"testing"
)

// Most failures in these tests are meant.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
