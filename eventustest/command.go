package eventustest

import (
	"fmt"
	"reflect"
	"strings"

	"pgregory.net/rapid"
)

// Command is something that can be asked of an aggregate, with arguments that a
// property test makes up. [Do] makes one, and [Do1] to [Do3] for as many
// arguments.
type Command[A any] struct {
	function any
	draw     func(t *rapid.T) call[A]
	trouble  func() string // what keeps the command from being drawn
}

// call is a command with its arguments.
type call[A any] struct {
	function any
	at       place // of the call of Do
	args     []argument

	// decide calls the command. Each time it has arguments of its own.
	decide func(A) error
}

// argument is a value that was made up, and the type of the parameter.
type argument struct {
	value    any
	declared reflect.Type
}

func argumentOf[X any](x X) argument { return argument{x, reflect.TypeFor[X]()} }

// Do is a command without arguments.
//
//	eventustest.Do((*Product).Discontinue)
func Do[A any](command func(A) error) Command[A] {
	at := here()
	return Command[A]{
		function: command,
		draw: func(*rapid.T) call[A] {
			return call[A]{command, at, nil, command}
		},
		trouble: func() string { return "" },
	}
}

// Do1 is a command with an argument.
//
//	eventustest.Do1((*Product).Reprice, prices)
//
// In a counter-example a command is written as it is here. Where that is the
// name of a parameter or of a variable of the function around, it is a method or
// a function under its own name, and a function literal with its text.
//
// A command gets arguments of its own each time it is called, as far as they can
// be copied: pointers to what has unexported fields, and functions, are handed
// on as they are.
func Do1[A, X any](command func(A, X) error, x *rapid.Generator[X]) Command[A] {
	at, first := here(), lenderOf[X]()
	return Command[A]{
		function: command,
		draw: func(t *rapid.T) call[A] {
			x := x.Draw(t, "x")
			return call[A]{command, at, []argument{argumentOf(x)}, func(a A) error {
				return command(a, first.lend(x))
			}}
		},
		trouble: func() string { return barren(x) },
	}
}

// Do2 is a command with two arguments.
func Do2[A, X, Y any](command func(A, X, Y) error, x *rapid.Generator[X], y *rapid.Generator[Y]) Command[A] {
	at, first, second := here(), lenderOf[X](), lenderOf[Y]()
	return Command[A]{
		function: command,
		draw: func(t *rapid.T) call[A] {
			x, y := x.Draw(t, "x"), y.Draw(t, "y")
			return call[A]{command, at, []argument{argumentOf(x), argumentOf(y)}, func(a A) error {
				return command(a, first.lend(x), second.lend(y))
			}}
		},
		trouble: func() string { return barren(x) + barren(y) },
	}
}

// Do3 is a command with three arguments. One with more takes a struct.
func Do3[A, X, Y, Z any](command func(A, X, Y, Z) error, x *rapid.Generator[X], y *rapid.Generator[Y], z *rapid.Generator[Z]) Command[A] {
	at, first, second, third := here(), lenderOf[X](), lenderOf[Y](), lenderOf[Z]()
	return Command[A]{
		function: command,
		draw: func(t *rapid.T) call[A] {
			x, y, z := x.Draw(t, "x"), y.Draw(t, "y"), z.Draw(t, "z")
			return call[A]{command, at, []argument{argumentOf(x), argumentOf(y), argumentOf(z)}, func(a A) error {
				return command(a, first.lend(x), second.lend(y), third.lend(z))
			}}
		},
		trouble: func() string { return barren(x) + barren(y) + barren(z) },
	}
}

// barren says what is wrong with a generator that gives nothing.
func barren[X any](g *rapid.Generator[X]) (trouble string) {
	if g == nil {
		return fmt.Sprintf("its generator of %v is nil; give one of package rapid", reflect.TypeFor[X]())
	}
	defer func() {
		if p := recover(); p != nil {
			trouble = fmt.Sprintf("its generator of %v never succeeds; loosen its Filter, or build what passes: %v", reflect.TypeFor[X](), p)
		}
	}()
	g.Example(1)
	return ""
}

// wrong says what keeps the command from being used, with its name.
func (c Command[A]) wrong() string {
	if absent(c.function) {
		return fmt.Sprintf("a command of %v has no function; give one to Do", reflect.TypeFor[A]())
	}
	if trouble := c.trouble(); trouble != "" {
		return "command " + c.name() + ": " + trouble
	}
	return ""
}

// name returns the command's short name, for reports.
func (c Command[A]) name() string { return shortName(c.function) }

func shortName(f any) string {
	_, _, name := nameOf(f)
	return plainName(name)
}

// GoString makes rapid's own reports readable.
func (c call[A]) GoString() string {
	args := make([]string, len(c.args))
	for i, a := range c.args {
		args[i] = printer{}.literal(a.value)
	}
	return shortName(c.function) + "(" + strings.Join(args, ", ") + ")"
}
