package power

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// child is a program in a process of its own, which says what it has acknowledged.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	lines []string // after ended
	said  output   // its standard error
}

// output is what a process has printed.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startChild runs one of children on a folder. It calls first, if there is one, at
// the first line.
func (t *trial) startChild(name, dir string, first chan<- string, env ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	c.cmd.Env = append(append(os.Environ(), env...), childEnv+"="+name+"@"+dir)
	c.cmd.Stderr = &c.said
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	t.must(err)
	t.must(c.cmd.Start())
	go func() {
		defer close(c.ended)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			if first != nil && len(c.lines) == 0 {
				first <- scanner.Text()
			}
			c.lines = append(c.lines, scanner.Text())
		}
		_ = c.cmd.Wait()
	}()
	t.Cleanup(c.kill)
	return c
}

// kill returns when the program is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}
