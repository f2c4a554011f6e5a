package eventustest_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	// Many checks fail here on purpose.
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// recorder is a testing.TB that notes the first fatal message and stops there,
// as the real one does.
type recorder struct {
	testing.TB
	fatal   string
	cleanup []func()
}

type stopped struct{}

func (r *recorder) Helper()                           {}
func (r *recorder) Failed() bool                      { return r.fatal != "" }
func (r *recorder) Cleanup(f func())                  { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Error(args ...any)                 { r.fatal = fmt.Sprint(args...) }
func (r *recorder) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any)                 { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(stopped{})
}

// fatalOf returns what a test says that fails, and an empty text for one that
// passes.
func fatalOf(t *testing.T, test func(t testing.TB)) string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != (stopped{}) {
				panic(p)
			}
		}()
		test(r)
	}()
	for _, f := range r.cleanup {
		f()
	}
	return r.fatal
}

// failing is a test that fails, and what its message has in it.
type failing struct {
	test func(t testing.TB)
	want []string
}

func (f failing) check(t *testing.T) {
	t.Helper()
	got := fatalOf(t, f.test)
	for _, want := range f.want {
		if !strings.Contains(got, want) {
			t.Errorf("got %q\nwithout %q", got, want)
		}
	}
	if len(f.want) == 0 && got != "" {
		t.Errorf("got %q", got)
	}
}
