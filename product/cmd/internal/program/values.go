package program

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// number adds a flag for a number from lowest to highest.
func (f *Flags) number(to *int, name string, value, lowest, highest int, usage string) {
	*to = value
	f.Var(&number{to, lowest, highest}, name, usage)
}

type number struct {
	to              *int
	lowest, highest int
}

func (n *number) Set(text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < n.lowest || value > n.highest {
		return fmt.Errorf("want a number from %d to %d", n.lowest, n.highest)
	}
	*n.to = value
	return nil
}

func (n *number) String() string {
	if n.to == nil { // as package flag makes one to compare with
		return "0"
	}
	return strconv.Itoa(*n.to)
}

// duration adds a flag for a duration that is not negative.
func (f *Flags) duration(to *time.Duration, name string, value time.Duration, usage string) {
	*to = value
	f.Var((*duration)(to), name, usage)
}

type duration time.Duration

func (d *duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 {
		return errors.New("want a duration such as 90s, 5m or 720h")
	}
	*d = duration(value)
	return nil
}

func (d *duration) String() string { return time.Duration(*d).String() }
