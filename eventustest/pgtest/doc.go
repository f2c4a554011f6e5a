// Package pgtest gives tests a PostgreSQL server.
//
// [Pool] is all that most tests need: a connection pool on an empty schema of
// the test's own, which goes when the test ends. Tests with a pool each may run
// in parallel. [Start] is for tests that stop, kill and restart a server, or that
// promote a standby of it.
//
// # Where the server comes from
//
// The first of these that is there:
//
//  1. EVENTUS_TEST_POSTGRES, the URL of a server that runs already, for example
//     postgres://postgres:secret@127.0.0.1:5432/postgres. Its user may create
//     schemas in that database.
//  2. PostgreSQL's programs on this machine: those on the PATH, else the newest
//     of the usual folders of Debian, Fedora, Homebrew and Postgres.app. Each
//     test binary makes a cluster of its own in a temporary folder. To test with
//     another version, put its folder at the front of the PATH.
//  3. A Docker engine, which runs the image postgres:18-alpine.
//
// Without any of them the test is skipped, and the reason names the cure.
// EVENTUS_REQUIRE_POSTGRES=1 makes it fail instead: set it in CI, where a
// skipped test would look like one that passed.
//
// # The private cluster
//
// It listens on a Unix socket in its own folder and on no port, so nobody else
// reaches it and a restart finds its address free. For root, whom PostgreSQL
// refuses to serve, it runs as the user postgres or nobody. fsync is off, unless
// [Options] turn it on: a server that is killed loses nothing by that, only a
// machine that loses its power does.
//
// A cluster takes about a second to make, so that to share one between the
// packages of a "go test ./..." would save little and need someone to know when
// the last of them is gone. Within a test binary all pools share one.
//
// Cluster and folder go when the test binary ends, however it ends: a shell
// waits for the end of a pipe that the test binary holds, and then stops the
// server and removes the folder. Neither a panic nor SIGKILL leaves one behind.
package pgtest
