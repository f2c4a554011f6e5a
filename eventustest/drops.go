package eventustest

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/eventus-go/eventus"
)

// fieldName names a field by the wire name of its event and the path of Go names
// that leads to it.
type fieldName struct{ event, path string }

func (f fieldName) String() string {
	if f.path == "" {
		return f.event
	}
	return "the field " + f.path + " of " + f.event
}

// drops are fields that make no difference on purpose.
type drops map[fieldName]bool

func (d drops) add(event, path string) { d[fieldName{event, path}] = true }

// covers reports whether a field is dropped, by itself or with one that it is a
// part of.
func (d drops) covers(event, path string) bool {
	if d[fieldName{event, ""}] {
		return true
	}
	for whole := range prefixes(path) {
		if d[fieldName{event, whole}] {
			return true
		}
	}
	return false
}

// prefixes yields a path, and those of what it is a part of.
func prefixes(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for path != "" {
			if !yield(path) {
				return
			}
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
}

// sorted returns the fields in the order of their names.
func (d drops) sorted() []fieldName { return sortedNames(maps.Keys(d)) }

func sortedNames(names func(yield func(fieldName) bool)) []fieldName {
	return slices.SortedFunc(names, func(a, b fieldName) int {
		return cmp.Or(strings.Compare(a.event, b.event), strings.Compare(a.path, b.path))
	})
}

// wrongDrops says which field there is not: a misspelt one would keep nothing
// from being looked at, and one of a field that is gone would be forgotten there.
func wrongDrops[A, E any](definition *eventus.Definition[A, E], dropped drops) string {
	var names []string
	forms := make(map[string]any)
	for _, info := range definition.Types() {
		names = append(names, info.Name)
		forms[info.Name] = info.Form
	}
	for _, d := range dropped.sorted() {
		form, ok := forms[d.event]
		if !ok {
			return fmt.Sprintf("Drops(%q, %q): %s has no event of that name; it has %q", d.event, d.path, definition.Category(), names)
		}
		if d.path == "" || form == nil {
			continue
		}
		known := droppable(reflect.TypeOf(form))
		if !slices.Contains(known, d.path) {
			return fmt.Sprintf("Drops(%q, %q): %s has no field of that path; it has %q", d.event, d.path, d.event, known)
		}
	}
	return ""
}

// droppable lists the paths of the fields of a type, whole ones too.
func droppable(t reflect.Type) []string {
	var all []string
	for _, path := range partsOf(t) {
		for whole := range prefixes(path) {
			if !slices.Contains(all, whole) {
				all = append(all, whole)
			}
		}
	}
	slices.Sort(all)
	return all
}
