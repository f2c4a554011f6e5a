package pgtest

import (
	"fmt"
	"io"
	"os/exec"
)

// whenItEnds waits for the end of its input, which comes with the end of the
// process that holds the other side, and clears up. It tries again because
// initdb or a server may just be starting.
const whenItEnds = `cat >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
	"$1/pg_ctl" stop --silent --mode=immediate --pgdata="$2/data" >/dev/null 2>&1
	rm -rf "$2" 2>/dev/null
	[ -e "$2" ] || exit 0
	sleep 0.3
done
exit 1`

// keeper is a process that outlives this one, to stop the server and to remove
// its folder.
type keeper struct {
	process *exec.Cmd
	line    io.Closer
}

func keep(bin, dir string) (*keeper, error) {
	process := exec.Command("sh", "-c", whenItEnds, "pgtest", bin, dir)
	process.Dir = "/"
	process.SysProcAttr = unprivileged()
	line, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	return &keeper{process, line}, nil
}

// end has the keeper clear up now.
func (k *keeper) end() error {
	if err := k.line.Close(); err != nil {
		return err
	}
	if err := k.process.Wait(); err != nil {
		return fmt.Errorf("remove the cluster: %w", err)
	}
	return nil
}
