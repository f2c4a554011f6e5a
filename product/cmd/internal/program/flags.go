package program

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/peterbourgon/ff/v3"
)

// Flags are the flags of a program. Each has an environment variable that stands
// in for it when it is not given: the program's name and its own, with underscores,
// in capital letters. The help names it.
type Flags struct {
	*flag.FlagSet
	about string
}

// NewFlags returns flags of which there are none yet. The sentence about the
// program begins its help.
func NewFlags(name, about string) *Flags {
	f := &Flags{flag.NewFlagSet(name, flag.ContinueOnError), about}
	f.SetOutput(io.Discard) // errors are returned
	f.Usage = func() {}
	return f
}

// Level adds -log, the lowest level to log.
func (f *Flags) Level(level *slog.Level) {
	f.TextVar(level, "log", slog.LevelInfo, "lowest `level` to log: DEBUG, INFO, WARN or ERROR")
}

// Parse reads the arguments and the environment. After it has printed the help it
// returns [flag.ErrHelp].
func (f *Flags) Parse(args []string, out io.Writer) error {
	err := ff.Parse(f.FlagSet, args, ff.WithEnvVarPrefix(strings.ToUpper(f.Name())))
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.VisitAll(func(one *flag.Flag) { one.Usage += " (" + f.variable(one.Name) + ")" })
		f.SetOutput(out)
		fmt.Fprintln(out, f.about+" Its flags, and the environment variables that stand in for them:")
		f.PrintDefaults()
		return flag.ErrHelp
	case err != nil:
		return fmt.Errorf("%w; %s -h lists the flags", err, f.Name())
	case f.NArg() > 0:
		return fmt.Errorf("%q is not a flag; %s -h lists them", f.Arg(0), f.Name())
	}
	return nil
}

func (f *Flags) variable(name string) string {
	return strings.ToUpper(f.Name() + "_" + strings.ReplaceAll(name, "-", "_"))
}
