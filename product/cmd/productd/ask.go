package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// askHealth asks the productd that serves on addr. It is the health check of a
// container that has no other program.
func askHealth(ctx context.Context, addr string) error {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("cannot ask %s (%w); name the address by -addr", addr, err)
	}
	switch host { // it listens on all; and a container may not know of localhost
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("cannot ask %s (%w); name the address by -addr", addr, err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("not well: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not well: %s answers %s", r.URL, answer.Status)
	}
	return nil
}
