package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
)

const stoppedFile = "EVENTUS_STOPPED_FILE"

// TestStoppedProcess stops a process that has just advanced a consumer in a
// transaction. SQLite cannot take the lock from it, so that others are told of
// passing trouble until it goes on.
func TestStoppedProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := openDB(t, strings.Replace(sqlite.DSN(path), "10000", "1", 1))
	s, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, board, 1)

	child := exec.Command(os.Args[0], "-test.run=^TestStoppedChild$")
	child.Env = append(os.Environ(), stoppedFile+"="+path)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	says := bufio.NewScanner(out)
	listen(t, says, "advanced")
	signal(t, child, syscall.SIGSTOP)

	claim := func() error {
		return s.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			c, _, err := s.LockConsumer(ctx, tx, board)
			if err != nil {
				return err
			}
			c.Segments[0].Epoch++
			return s.SaveConsumer(ctx, tx, c)
		})
	}
	if err := claim(); !s.IsTransient(err) {
		t.Errorf("while the process is stopped: error %v is not transient", err)
	}
	if c, _, err := s.ListConsumers(t.Context(), board); err != nil || len(c) != 1 {
		t.Errorf("while the process is stopped: %d consumers in the list, error %v", len(c), err)
	}

	signal(t, child, syscall.SIGCONT)
	if _, err := io.WriteString(in, "end the context\n"); err != nil {
		t.Fatal(err)
	}
	listen(t, says, "hanging")
	err = claim()
	for s.IsTransient(err) { // until the rollback is done
		err = claim()
	}
	if err != nil {
		t.Fatalf("once the context of the process has ended: %v", err)
	}
	if _, err := io.WriteString(in, "go on\n"); err != nil {
		t.Fatal(err)
	}
	listen(t, says, "rolled back")
	c, _, err := s.ListConsumers(t.Context(), board)
	if err != nil || c[0].Segments[0].Position != 0 || c[0].Segments[0].Epoch != 1 {
		t.Errorf("%+v, error %v, want position 0 and epoch 1", c, err)
	}
}

// TestStoppedChild is the process: it advances, hangs past the end of its
// context, and tries to advance again.
func TestStoppedChild(t *testing.T) {
	path := os.Getenv(stoppedFile)
	if path == "" {
		t.Skip("only runs as the child of TestStoppedProcess")
	}
	s, _ := openStore(t, path)
	told := bufio.NewScanner(os.Stdin)
	ctx, cancel := context.WithCancel(t.Context())
	advance := func(tx *sql.Tx) error {
		return s.Advance(t.Context(), tx, store.Claim{Consumer: board}, store.Progress{Position: 1, EventID: "e"}, time.Minute)
	}
	err := s.InTx(ctx, func(_ context.Context, tx *sql.Tx) error {
		if err := advance(tx); err != nil {
			return err
		}
		fmt.Println("advanced")
		told.Scan()
		cancel()
		fmt.Println("hanging")
		told.Scan()
		return advance(tx)
	})
	if !errors.Is(err, sql.ErrTxDone) {
		t.Fatalf("got error %v, want sql.ErrTxDone", err)
	}
	fmt.Println("rolled back")
}

func listen(t *testing.T, says *bufio.Scanner, want string) {
	t.Helper()
	if !says.Scan() || says.Text() != want {
		t.Fatalf("the process says %q, want %q", says.Text(), want)
	}
}

func signal(t *testing.T, child *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := child.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
