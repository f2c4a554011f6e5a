package consume_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// TestAMessageThatEndsTheProcess restarts a process that a message ends by
// os.Exit. After five restarts at most the message is parked and others flow.
func TestAMessageThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, r rig, at member) {
		at.Consumer, at.Segments, at.Batch, at.Lease, at.ExitAt = "view", 1, 64, 500*time.Millisecond, "bomb"
		for i := range 3 {
			add(t, r, fmt.Sprint("before", i), 2)
			add(t, r, "bomb", 1)
			add(t, r, fmt.Sprint("after", i), 2)
		}
		ends := 0
		var p *process
		for p = startMember(t, at); ; p = startMember(t, at) {
			parked := false
			await(t, "the process ends, or the message is parked", func() bool {
				select {
				case <-p.ended:
					return true
				default:
				}
				parked = parkedOf(t, r, "view")["bomb"].Reason == store.Poison
				return parked
			})
			if parked {
				break
			}
			if code := p.exit(); code != exitCode {
				t.Fatalf("the process ended with code %d, want %d", code, exitCode)
			}
			if ends++; ends > 5 {
				t.Fatalf("the message ends the process again after %d restarts: %+v", ends-1, consumerOf(t, r, "view"))
			}
		}
		row := parkedOf(t, r, "view")["bomb"]
		if row.Version != 1 || !strings.Contains(row.Error, "the process has ended") {
			t.Errorf("parked: %+v", row)
		}
		add(t, r, "later", 2)
		await(t, "the others flow", func() bool {
			effects, err := r.effects(t.Context(), "view")
			if err != nil {
				t.Fatal(err)
			}
			return len(effects) == 7 && len(effects[bumps.Stream("later")]) == 2
		})
		p.kill()
		at.ExitAt = "" // the program is mended
		startMember(t, at)
		ask(t, r, "view", store.Request{Action: store.Redrive})
		awaitExact(t, r, "view", r)
	})
}

// TestAMessageThatEndsTheProcessWhenItIsTriedAgain fails at first, so that it is
// parked, and ends the process in its turn.
func TestAMessageThatEndsTheProcessWhenItIsTriedAgain(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, r rig, at member) {
		at.Consumer, at.Segments, at.Batch, at.Lease, at.ExitAt = "view", 1, 64, 500*time.Millisecond, "bomb"
		at.FailFirst = true
		add(t, r, "bomb", 2)
		add(t, r, "a", 2)
		for ends := 0; ; ends++ {
			p := startMember(t, at)
			poison := false
			await(t, "the process ends, or the message is poison", func() bool {
				select {
				case <-p.ended:
					return true
				default:
				}
				poison = parkedOf(t, r, "view")["bomb"].Reason == store.Poison
				return poison
			})
			at.FailFirst = false
			if poison {
				break
			}
			if ends > 5 {
				t.Fatalf("the message ends the process again after %d restarts: %+v", ends, parkedOf(t, r, "view"))
			}
		}
		add(t, r, "a", 2)
		await(t, "the others flow", func() bool {
			effects, err := r.effects(t.Context(), "view")
			if err != nil {
				t.Fatal(err)
			}
			return len(effects) == 1 && len(effects[bumps.Stream("a")]) == 4
		})
	})
}
