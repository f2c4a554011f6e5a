package main

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/natstest"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
	"go.yaml.in/yaml/v3"
)

// root is where docker-compose.yml is.
const root = "../../.."

// compose is as much of a compose file as is looked at.
type compose struct {
	Services map[string]*service
	Volumes  map[string]any
}

type service struct {
	Image string
	Build struct {
		Context, Dockerfile, Target string
	}
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
}

func readCompose(t *testing.T) compose {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "nats", "app", "pricewatch"} {
		if c.Services[name] == nil {
			t.Fatalf("there is no service %s", name)
		}
	}
	return c
}

func TestComposeFile(t *testing.T) {
	c := readCompose(t)
	t.Run("images have a version", func(t *testing.T) {
		for name, prefix := range map[string]string{"postgres": "postgres:18", "nats": "nats:2.15"} {
			if image := c.Services[name].Image; !strings.HasPrefix(image, prefix) {
				t.Errorf("%s is %s, want %s", name, image, prefix)
			}
		}
	})
	t.Run("PostgreSQL 18 keeps its data on a volume", func(t *testing.T) {
		if v := c.Services["postgres"].Volumes; !slices.Contains(v, "postgres-data:/var/lib/postgresql") {
			t.Errorf("volumes %v: that image has its data under /var/lib/postgresql", v)
		}
	})
	t.Run("PostgreSQL makes the tables at its first start", func(t *testing.T) {
		if v := c.Services["postgres"].Volumes; !slices.Contains(v, "./infra/postgres/schema.sql:/docker-entrypoint-initdb.d/schema.sql:ro") {
			t.Errorf("volumes %v: the schema is not where the image looks for scripts", v)
		}
	})
	t.Run("JetStream keeps its data on a volume, and has its file", func(t *testing.T) {
		nats := c.Services["nats"]
		conf, err := os.ReadFile(filepath.Join(root, "infra/nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		dir := regexp.MustCompile(`store_dir: *(\S+)`).FindSubmatch(conf)
		if dir == nil || !slices.Contains(nats.Volumes, "nats-data:"+string(dir[1])) {
			t.Errorf("store_dir is %s, volumes %v", dir, nats.Volumes)
		}
		if !slices.Equal(nats.Command, []string{"--config", "/etc/nats/nats.conf"}) ||
			!slices.Contains(nats.Volumes, "./infra/nats.conf:/etc/nats/nats.conf:ro") {
			t.Errorf("command %v, volumes %v", nats.Command, nats.Volumes)
		}
	})
	t.Run("volumes are declared, and files are there", func(t *testing.T) {
		for name, s := range c.Services {
			for _, v := range s.Volumes {
				source, _, _ := strings.Cut(v, ":")
				if _, declared := c.Volumes[source]; declared {
					continue
				}
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
	t.Run("what is waited for has a health check", func(t *testing.T) {
		for _, name := range []string{"postgres", "nats"} {
			if c.Services["app"].DependsOn[name].Condition != "service_healthy" || len(c.Services[name].Healthcheck.Test) == 0 {
				t.Errorf("app does not wait until %s is healthy", name)
			}
		}
	})
	t.Run("the host's ports are on loopback", func(t *testing.T) {
		for name, s := range c.Services {
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("%s: %s", name, port)
				}
			}
		}
	})
}

// The environment is what productd reads, and leads to the other services.
func TestComposeFileSetsProductd(t *testing.T) {
	c := readCompose(t)
	for name, value := range c.Services["app"].Environment {
		var help strings.Builder
		_, _ = parseConfig([]string{"-h"}, &help)
		if !strings.Contains(help.String(), "("+name+")") {
			t.Errorf("productd does not know %s", name)
		}
		t.Setenv(name, value)
	}
	cfg, err := parseConfig(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.needsFolder() {
		t.Error("it writes to a folder, which goes with the container")
	}
	made := c.Services["postgres"].Environment
	if u, err := url.Parse(cfg.postgres); err != nil || u.Host != "postgres:5432" || u.Path != "/"+made["POSTGRES_DB"] ||
		u.User.String() != made["POSTGRES_USER"]+":"+made["POSTGRES_PASSWORD"] {
		t.Errorf("-postgres is %s, and what the server makes %v: %v", cfg.postgres, made, err)
	}
	if cfg.nats != "nats://nats:4222" {
		t.Errorf("-nats is %s", cfg.nats)
	}
}

// A database that schema.sql alone has made, as the compose file does it, is one
// that productd works on and has nothing to add to.
func TestProductdWorksOnTheSchemaFile(t *testing.T) {
	pool := pgtest.Pool(t)
	script, err := os.ReadFile(filepath.Join(root, "infra/postgres/schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), string(script)); err != nil {
		t.Fatal(err)
	}
	const when = `SELECT string_agg(version || ' ' || applied_at, ', ' ORDER BY version) FROM eventus_migrations`
	var before, after string
	if err := pool.QueryRow(t.Context(), when).Scan(&before); err != nil {
		t.Fatal(err)
	}
	server := natstest.Start(t, natsd.Config{Addr: "127.0.0.1:0"})
	p := start(t, "-postgres", pool.Config().ConnString(), "-nats", server.URL())
	if got := get(t, p.url+"/products/widget?wait=1"); !strings.Contains(got, "Widget") {
		t.Errorf("got %s", got)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if err := pool.QueryRow(t.Context(), when).Scan(&after); err != nil || after != before {
		t.Errorf("migrations before the start: %s, after it: %s, error %v", before, after, err)
	}
}

func TestDockerfile(t *testing.T) {
	build := readCompose(t).Services["app"].Build
	content, err := os.ReadFile(filepath.Join(root, build.Context, build.Dockerfile))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	for _, want := range []string{
		`(?m)^FROM golang:` + string(version[1]) + `-alpine AS build$`, // the compiler that go.mod asks for
		`(?m)^RUN CGO_ENABLED=0 go build .* ./product/cmd/productd$`,   // this folder
		`(?m)^FROM scratch AS ` + regexp.QuoteMeta(build.Target) + `$`,
		`(?m)^USER [1-9]\d*:[1-9]\d*$`, // a number, and not root
		`(?m)^HEALTHCHECK .* CMD \["/productd", "-health"\]$`,
		`(?m)^ENTRYPOINT \["/productd"\]$`,
	} {
		if !regexp.MustCompile(want).Match(content) {
			t.Errorf("there is no line %s", want)
		}
	}
	t.Run("productd is what is built when no target is named", func(t *testing.T) {
		stages := regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`).FindAllSubmatch(content, -1)
		if last := string(stages[len(stages)-1][1]); last != "productd" || build.Target != last {
			t.Errorf("the last stage is %s, and the compose file names %s", last, build.Target)
		}
	})
	t.Run("the health check asks where productd listens", func(t *testing.T) {
		addr := regexp.MustCompile(`(?m)^ENV PRODUCTD_ADDR=(\S+)$`).FindSubmatch(content)
		if addr == nil {
			t.Fatal("PRODUCTD_ADDR is not set")
		}
		t.Setenv("PRODUCTD_ADDR", string(addr[1]))
		cfg, err := parseConfig([]string{"-health"}, io.Discard)
		if err != nil || !cfg.health || cfg.addr != "0.0.0.0:8080" {
			t.Errorf("got %+v, %v", cfg, err)
		}
	})
}
