package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/store"
	_ "modernc.org/sqlite"
)

func openHere(t *testing.T) (*Store, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", DSN(filepath.Join(t.TempDir(), "a.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func eventOf(id string) []store.Event {
	return []store.Event{{ID: id, Type: "t", ContentType: "c", Time: time.Unix(1, 0)}}
}

func streamOf(id string) store.Stream { return store.Stream{Category: "c", ID: id} }

// One append of many that SQLite refuses fails alone.
func TestARefusedAppendTakesNoneWithIt(t *testing.T) {
	s, db := openHere(t)
	if _, err := db.Exec(`CREATE TRIGGER boom AFTER INSERT ON event_store WHEN NEW.event_id = 'bad'
		BEGIN SELECT raise(FAIL, 'boom'); END`); err != nil {
		t.Fatal(err)
	}
	s.writer <- struct{}{} // until all wait
	var callers, begun sync.WaitGroup
	for i := range 40 {
		id := fmt.Sprint(i)
		if i == 25 {
			id = "bad"
		}
		begun.Add(1)
		callers.Go(func() {
			begun.Done()
			_, err := s.Append(t.Context(), streamOf(fmt.Sprint(i%8)), store.Any, eventOf(id))
			if (err != nil) != (id == "bad") || errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("append %s: %v", id, err)
			}
		})
	}
	begun.Wait()
	<-s.writer
	callers.Wait()
	if log, err := s.ReadAll(t.Context(), 0, 100); err != nil || len(log) != 39 {
		t.Errorf("%d messages, error %v, want 39", len(log), err)
	}
}

func TestAnAppendWhoseContextEndsBeforeItsTurnIsNotWritten(t *testing.T) {
	s, _ := openHere(t)
	s.writer <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, streamOf("a"), store.Any, eventOf("1"))
		ended <- err
	}()
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-s.writer
	if _, err := s.Append(t.Context(), streamOf("a"), store.NoStream, eventOf("2")); err != nil {
		t.Error(err)
	}
}

func TestTransactionsGetTheTurnInTheOrderInWhichTheyAsk(t *testing.T) {
	s, _ := openHere(t)
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1) // of the bubble, so that synctest sees who waits
		s.writer = turn
		turn <- struct{}{}
		var got []int
		for i := range 20 {
			go func() {
				err := s.write(t.Context(), func(*sql.Tx) error {
					got = append(got, i)
					return nil
				})
				if err != nil {
					t.Errorf("write: %v", err)
				}
			}()
			synctest.Wait()
		}
		<-turn
		synctest.Wait()
		if !slices.IsSorted(got) || len(got) != 20 {
			t.Errorf("the turn went round as %v", got)
		}
	})
}
