package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is where docker-compose.yml is.
const root = "../../.."

func TestComposeFileSetsPricewatch(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Services map[string]struct {
			Build       struct{ Dockerfile, Target string }
			Environment map[string]string
			Volumes     []string
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	s := c.Services["pricewatch"]
	if s.Build.Dockerfile != "infra/Dockerfile" || s.Build.Target != "pricewatch" {
		t.Errorf("built from %+v", s.Build)
	}
	var help strings.Builder
	_, _ = parseConfig([]string{"-h"}, &help)
	for name, value := range s.Environment {
		if !strings.Contains(help.String(), "("+name+")") {
			t.Errorf("pricewatch does not know %s", name)
		}
		t.Setenv(name, value)
	}
	if cfg, err := parseConfig(nil, io.Discard); err != nil || cfg.nats != "nats://nats:4222" {
		t.Errorf("-nats is %s, %v", cfg.nats, err)
	}
	if _, declared := c.Volumes["pricewatch-data"]; !declared || !slices.Contains(s.Volumes, "pricewatch-data:/data") {
		t.Errorf("volumes %v: its data has no volume", s.Volumes)
	}
}

func TestDockerfileBuildsPricewatch(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "infra/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 go build .* -o /pricewatch ./product/cmd/pricewatch$`).Match(content) {
		t.Error("it is not built")
	}
	_, stage, _ := strings.Cut(string(content), "\nFROM scratch AS pricewatch\n")
	stage, _, _ = strings.Cut(stage, "\nFROM ")
	for _, want := range []string{
		`(?m)^COPY --from=build --chown=65532:65532 /data /data$`, // a new volume gets this owner
		`(?m)^USER 65532:65532$`,
		`(?m)^ENV PRICEWATCH_DATA=/data$`,
		`(?m)^ENTRYPOINT \["/pricewatch"\]$`,
	} {
		if !regexp.MustCompile(want).MatchString(stage) {
			t.Errorf("its stage has no line %s", want)
		}
	}
}
