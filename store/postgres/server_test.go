package postgres

import (
	"strings"
	"testing"
)

// Servers that no test machine has. The others are in TestOpen.
func TestServersThatAreRefused(t *testing.T) {
	good := server{version: oldest, encoding: "UTF8", commit: "on", schema: "public"}
	if err := good.refusal(); err != nil {
		t.Errorf("refused: %v", err)
	}
	for want, spoil := range map[string]func(*server){
		"the server is PostgreSQL 14: upgrade it to 15 or newer": func(s *server) { s.version = 14 },
		"connect to the primary":                                 func(s *server) { s.standby = true },
	} {
		s := good
		spoil(&s)
		if err := s.refusal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
