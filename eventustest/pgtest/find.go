package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

const cure = "no PostgreSQL: install its server (Debian: apt-get install postgresql), start Docker, or set EVENTUS_TEST_POSTGRES to the URL of a server"

// found is what a search for a server came to. Without a url and an err there
// is none on this machine.
type found struct {
	url    string
	err    error
	server *Server // a private one ends when nothing refers to its keeper's pipe
}

// shared is the server of all pools of this test binary.
var shared = sync.OnceValue(func() found {
	if url := os.Getenv("EVENTUS_TEST_POSTGRES"); url != "" {
		return found{url: url, err: checkURL(url)}
	}
	if bin := findPrograms(); bin != "" {
		server, err := start(bin, Options{})
		if err != nil {
			return found{err: fmt.Errorf("the PostgreSQL in %s does not start, set EVENTUS_TEST_POSTGRES to the URL of another: %w", bin, err)}
		}
		return found{url: server.URL(), server: server}
	}
	return startContainer()
})

// checkURL tells at once, and not at the first of many tests, what is wrong.
func checkURL(url string) error {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return errors.New("EVENTUS_TEST_POSTGRES is no URL: want for example postgres://user:password@127.0.0.1:5432/database")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("EVENTUS_TEST_POSTGRES: %w", err)
	}
	return conn.Close(ctx)
}

// programs are what a folder must have to be taken.
var programs = []string{"initdb", "pg_ctl", "postgres"}

// usual are the folders that packages put PostgreSQL's programs into.
var usual = []string{
	"/usr/lib/postgresql/*/bin", // Debian
	"/usr/pgsql-*/bin",          // Fedora and its kin, from postgresql.org
	"/usr/local/pgsql/bin",      // built from source
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findPrograms returns the folder of PostgreSQL's programs, or "".
func findPrograms() string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		// The other programs, and what initdb needs, are where a link points to.
		if initdb, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil && complete(filepath.Dir(initdb)) {
			return filepath.Dir(initdb)
		}
	}
	newest := ""
	for _, pattern := range usual {
		matches, _ := filepath.Glob(pattern) // its only error is a wrong pattern
		for _, dir := range matches {
			if complete(dir) && (newest == "" || version(dir) > version(newest)) {
				newest = dir
			}
		}
	}
	return newest
}

func complete(dir string) bool {
	return !slices.ContainsFunc(programs, func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err != nil || info.IsDir() || info.Mode()&0o111 == 0
	})
}

// version is the number in the name of the folder above bin, or 0.
func version(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	n, _ := strconv.Atoi(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-@"))
	return n
}
