package pgtest

import (
	"context"
	"fmt"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
)

const image = "postgres:18-alpine"

// startContainer runs the image if a Docker engine answers. Testcontainers
// removes the container after the test binary has ended.
func startContainer() found {
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience) // the image may have to be fetched
	defer cancel()
	if !dockerAnswers(ctx) {
		return found{}
	}
	container, err := postgres.Run(ctx, image, postgres.BasicWaitStrategies(),
		testcontainers.WithCmdArgs("-c", "fsync=off", "-c", "eventus.throwaway=on", "-c", "max_connections="+maxConnections))
	if err != nil {
		return found{err: fmt.Errorf("run %s by Docker, or set EVENTUS_TEST_POSTGRES to the URL of a server: %w", image, err)}
	}
	url, err := container.ConnectionString(ctx, "sslmode=disable")
	if err != nil {
		return found{err: fmt.Errorf("%s by Docker: %w", image, err)}
	}
	return found{url: url}
}

func dockerAnswers(ctx context.Context) (ok bool) {
	defer func() {
		if recover() != nil { // so testcontainers says that it knows of no engine
			ok = false
		}
	}()
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(silent{}))
	if err != nil {
		return false
	}
	return provider.Health(ctx) == nil
}

// silent keeps the search for an engine out of the test's output.
type silent struct{}

func (silent) Printf(string, ...any) {}
