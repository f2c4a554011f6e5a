package eventustest

import (
	"reflect"
	"testing"
)

// What a test is told that uses this package in a way that tests nothing.

// mustEnd fails a test that begins a sentence and does not end it.
func mustEnd(t testing.TB, checked *bool) {
	t.Cleanup(func() {
		if !*checked && !t.Failed() {
			t.Error("nothing was checked: a sentence was begun and has no Then")
		}
	})
}

// absent reports whether there is nothing behind an interface, or a nil.
func absent(v any) bool {
	of := reflect.ValueOf(v)
	switch of.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Interface:
		return of.IsNil()
	}
	return false
}
