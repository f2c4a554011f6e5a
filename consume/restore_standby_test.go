package consume_test

import (
	"math/rand/v2"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
)

// standbyDisk is a PostgreSQL database whose backups are asynchronous standbys
// that were cut off. To put one back is to promote it when the primary has died.
type standbyDisk struct {
	moving
	random   *rand.Rand
	primary  *pgtest.Server
	standbys []*pgtest.Server
}

func newStandbyDisk(t testing.TB, random *rand.Rand) disk {
	t.Helper()
	// Without full pages in its log, a standby can have none itself.
	primary := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"full_page_writes": "on"}})
	d := &standbyDisk{random: random, primary: primary}
	d.moveTo(t, d.primary.URL())
	d.open(t)
	return d
}

func (d *standbyDisk) backups() int { return len(d.standbys) }

func (d *standbyDisk) backup(t testing.TB) {
	t.Helper()
	standby := d.primary.Standby(t)
	if err := standby.Detach(); err != nil {
		t.Fatal(err)
	}
	d.standbys = append(d.standbys, standby)
}

// putBack promotes a standby of the standby, which can so be put back again.
// Programs may find the promoted one before the primary has died.
func (d *standbyDisk) putBack(t testing.TB, k int) {
	t.Helper()
	next := d.standbys[k].Standby(t)
	died := d.random.IntN(2) == 0
	if died {
		d.die(t)
	}
	if err := next.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := next.Promote(); err != nil {
		t.Fatal(err)
	}
	d.moveTo(t, next.URL())
	if !died {
		d.die(t)
	}
	d.primary = next
	d.look()
}

func (d *standbyDisk) die(t testing.TB) {
	t.Helper()
	if err := d.primary.Stop(pgtest.Immediate); err != nil {
		t.Fatal(err)
	}
}

func (d *standbyDisk) replace(t testing.TB, k int) {
	t.Helper()
	d.putBack(t, k)
	d.open(t)
}
