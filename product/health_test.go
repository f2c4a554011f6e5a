package product_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	. "github.com/eventus-go/eventus/product"
)

func TestHealth(t *testing.T) {
	t.Run("a service without checks is well", func(t *testing.T) {
		s := start(t, Config{})
		for _, path := range []string{"/livez", "/readyz", "/healthz"} {
			s.send("GET", path, "").want(t, 200, `{"status":"ok"}`)
		}
	})
	t.Run("what is degraded does not make it unready", func(t *testing.T) {
		s := start(t, Config{Ready: func(context.Context) (Health, error) {
			return Health{NATS: "disconnected", Degraded: []string{"nats: disconnected"}}, nil
		}})
		const want = `{"status":"degraded","degraded":["nats: disconnected"],"nats":"disconnected"}`
		s.send("GET", "/readyz", "").want(t, 200, want)
		s.send("GET", "/healthz", "").want(t, 200, want)
		s.send("GET", "/livez", "").want(t, 200, `{"status":"ok"}`)
	})
	t.Run("why it is unwell is in the log alone", func(t *testing.T) {
		s := start(t, Config{
			Live:  func(context.Context) error { return errors.New("secret of the loops") },
			Ready: func(context.Context) (Health, error) { return Health{}, errors.New("secret of the database") },
		})
		for path, secret := range map[string]string{"/livez": "secret of the loops", "/readyz": "secret of the database", "/healthz": "secret of the database"} {
			a := s.send("GET", path, "")
			a.wantProblem(t, 503)
			if strings.Contains(a.body, "secret") || !strings.Contains(s.log.String(), secret) {
				t.Errorf("%s answers %s; the log:\n%s", path, a.body, s.log)
			}
		}
	})
	t.Run("a check that hangs is given up", func(t *testing.T) {
		s := start(t, Config{Ready: func(ctx context.Context) (Health, error) { <-ctx.Done(); return Health{}, ctx.Err() }})
		s.send("GET", "/readyz", "").wantProblem(t, 503)
	})
}
