package product

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Health is how a process of the service is, beyond the question whether it can
// take commands. GET /readyz answers with it.
type Health struct {
	// Status is set by the API: "ok", or "degraded" when Degraded has entries.
	Status string `json:"status"`
	// Degraded has a sentence for each part that does not do its work.
	Degraded []string `json:"degraded,omitempty"`
	// NATS is "connected" or "disconnected".
	NATS string `json:"nats,omitempty"`
	// Consumer is the consumer that writes the read model.
	Consumer *ConsumerHealth `json:"consumer,omitempty"`
}

// ConsumerHealth is how a consumer is.
type ConsumerHealth struct {
	Name       string           `json:"name"`
	Status     string           `json:"status"`     // running, stopped, paused, building, behind, forked, renamed
	LagEvents  int64            `json:"lagEvents"`  // events that are not handled yet, at most
	LagSeconds float64          `json:"lagSeconds"` // age of the oldest of them
	Parked     map[string]int64 `json:"parked,omitempty"`
}

// healthLimit is how long a check may take: less than those who ask wait.
const healthLimit = 1500 * time.Millisecond

// live answers whether the process works. If it does not, restart it.
func (a *API) live(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), healthLimit)
	defer cancel()
	if err := a.config.Live(ctx); err != nil {
		return a.unwell(r, "not live", err)
	}
	respond(w, http.StatusOK, Health{Status: "ok"})
	return nil
}

// ready answers whether commands can be taken, and what else does not work.
func (a *API) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), healthLimit)
	defer cancel()
	health, err := a.config.Ready(ctx)
	if err != nil {
		return a.unwell(r, "not ready", err)
	}
	health.Status = "ok"
	if len(health.Degraded) > 0 {
		health.Status = "degraded"
	}
	respond(w, http.StatusOK, health)
	return nil
}

// unwell logs err, whose text may hold what clients must not see.
func (a *API) unwell(r *http.Request, what string, err error) error {
	a.config.Logger.WarnContext(r.Context(), what, slog.Any("error", err))
	return newProblem(http.StatusServiceUnavailable, "%s; the log says why", what)
}
