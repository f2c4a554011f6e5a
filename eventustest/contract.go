package eventustest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/codec"
	"github.com/eventus-go/eventus/store"
)

var updateFlag = flag.Bool("eventus.update", false, "eventus: write contract files anew, after a look at what has changed")

// updating reports whether contracts are to be written. A test binary with a
// flag -update of its own means it for contracts too.
func updating() bool {
	if own := flag.Lookup("update"); own != nil && own.Value.String() == "true" {
		return true
	}
	return *updateFlag
}

// Contract compares the definition with the contract in a file: every wire name,
// the fields of every event, samples of what was stored and what it is read as,
// the old forms that are upcast, and the form of a snapshot. It fails
//
//   - when an event is renamed or removed,
//   - when a field is removed, or changes its type, or when it is left out,
//   - when an old sample is not read any more, or is read as something else,
//   - when the state changes in any way, because a snapshot of the old form would
//     be read as if nothing had happened: raise [eventus.WithSnapshotVersion].
//
// Events and fields may be added: those pass.
//
// go test -eventus.update writes the file, and so does -update where the test
// binary has that flag. It adds samples of today and never drops an old one: it
// refuses to write what could no longer read what is stored. A sample is made up
// for each event; one that is given here is taken instead, for events that not
// any value will do for.
//
//	eventustest.Contract(t, Products, "testdata/product.golden")
func Contract[S any, E eventus.Event[S], A Aggregate[S, E]](t testing.TB, definition *eventus.Definition[A, E], path string, samples ...eventus.Event[S]) {
	t.Helper()
	if definition == nil {
		t.Fatal("the definition is nil; give the result of eventus.Define")
	}
	if path == "" {
		t.Fatal("the contract has no file; give its path, as in \"testdata/" + definition.Category() + ".golden\"")
	}
	form := form[S, E, A]{newTrial(definition, ID)}
	today, err := form.today(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range today.blocks {
		if b.kind == kindUpcast && len(b.samples) == 0 {
			t.Logf("no sample of the old form %s can be made up; write one that was stored below it in %s, as in\n  sample: application/json {...}\n  reads:  {}\nand let -eventus.update say what it is read as", b.name, path)
		}
	}
	text, err := os.ReadFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		t.Fatal(err)
	}
	recorded := &contract{category: today.category}
	if !missing {
		if recorded, err = readContract(string(text)); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	switch {
	case updating():
		form.update(t, path, recorded, today)
	case missing:
		t.Fatalf("there is no contract of %s yet; write it by go test -run '^%s$' -eventus.update, look at it, and put %s into version control", definition.Category(), t.Name(), path)
	default:
		if breaches := form.breaches(recorded, today); len(breaches) > 0 {
			t.Fatalf("%s is broken:\n%s\nWhat is stored cannot be changed. Where the change is right all the same, write the contract anew by go test -run '^%s$' -eventus.update", path, strings.Join(breaches, "\n"), t.Name())
		}
	}
}

// form is a definition as a contract sees it.
type form[S any, E eventus.Event[S], A Aggregate[S, E]] struct {
	*trial[S, E, A]
}

func (f form[S, E, A]) contentType() string { return f.definition.Codec().ContentType() }

// today returns the contract as the definition would have it.
func (f form[S, E, A]) today(given []eventus.Event[S]) (*contract, error) {
	c := &contract{category: f.definition.Category()}
	for _, info := range f.definition.Types() {
		b := block{kind: kindEvent, name: info.Name, fields: shapeOf(reflect.TypeOf(info.Form))}
		if info.Upcast {
			b.kind = kindUpcast
		}
		var err error
		if b.samples, err = f.samples(info, given); err != nil {
			return nil, err
		}
		c.blocks = append(c.blocks, b)
	}
	state := block{kind: kindState, fields: shapeOf(reflect.TypeFor[S]())}
	for line := range texts {
		s, ok := f.stateSample(filled(reflect.TypeFor[S](), line).Interface().(S))
		if ok {
			state.samples = []sample{s}
			break
		}
	}
	c.blocks = append(c.blocks, state)
	return c, nil
}

// samples returns stored forms of an event, those that are given or made up. Of
// an old form there may be none.
func (f form[S, E, A]) samples(info eventus.EventInfo, given []eventus.Event[S]) ([]sample, error) {
	var all []sample
	for _, of := range given {
		event, ok := of.(E)
		if !ok || info.Upcast || reflect.TypeOf(event) != reflect.TypeOf(info.Event) {
			continue
		}
		if _, v := f.encode("given", []E{event}); v != nil {
			return nil, v
		}
		s, err := f.sample(info.Name, event)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) > 0 {
		return all, nil
	}
	t := reflect.TypeOf(info.Form)
	var why error
	for line := range texts {
		s, err := f.sample(info.Name, filled(t, line).Interface())
		if err == nil {
			all = append(all, s)
			break
		}
		if why == nil {
			why = err
		}
	}
	if empty, err := f.sample(info.Name, reflect.Zero(t).Interface()); err == nil && !slices.Contains(all, empty) {
		all = append(all, empty)
	}
	if len(all) == 0 && !info.Upcast {
		return nil, fmt.Errorf("no sample of %s (%v) can be made up; give one, as in Contract(t, definition, path, %v{...}): %w", info.Name, t, t, why)
	}
	return all, nil
}

// sample stores a form under a name and reads it again.
func (f form[S, E, A]) sample(name string, stored any) (sample, error) {
	data, err := f.definition.Codec().Encode(stored)
	if err != nil {
		return sample{}, err
	}
	return f.read(name, sample{contentType: f.contentType(), data: string(data)})
}

// read returns the sample with what it is read as today, in JSON whatever the
// codec is.
func (f form[S, E, A]) read(name string, s sample) (sample, error) {
	event, err := f.decode(store.Event{Type: name, ContentType: s.contentType, Data: []byte(s.data)})
	if err != nil {
		return s, err
	}
	encoded, err := f.definition.Encode(event)
	if err != nil {
		return s, err
	}
	s.as = ""
	if encoded.Type != name {
		s.as = encoded.Type
	}
	data, err := codec.JSON{}.Encode(event)
	s.reads = string(data)
	return s, err
}

func (f form[S, E, A]) stateSample(state S) (sample, bool) {
	restored, v := f.restored(state, 0)
	if v != nil || diff(state, restored) != "" {
		return sample{}, false
	}
	data, err := f.definition.Codec().Encode(state)
	if err != nil {
		return sample{}, false
	}
	s, err := f.readState(sample{contentType: f.contentType(), data: string(data)})
	return s, err == nil
}

// readState returns the sample of a snapshot with what it is read as today.
func (f form[S, E, A]) readState(s sample) (sample, error) {
	var state S
	if err := f.definition.Codec().Decode([]byte(s.data), &state); err != nil {
		return s, err
	}
	data, err := codec.JSON{}.Encode(state)
	s.reads = string(data)
	return s, err
}

// breaches lists what today does not keep of what is recorded.
func (f form[S, E, A]) breaches(recorded, today *contract) []string {
	var all []string
	if recorded.category != today.category {
		all = append(all, fmt.Sprintf("category %s: the definition is of %s, which has no stored events", recorded.category, today.category))
	}
	for _, old := range recorded.blocks {
		now := today.find(old)
		if now == nil {
			all = append(all, fmt.Sprintf("event %s: it is gone, and stored events of that name cannot be read; keep the name, or read its form by eventus.Upcast(%q, ...)", old.name, old.name))
			continue
		}
		if old.kind == kindState {
			changes := fieldChanges(old, now, true)
			for _, s := range old.samples {
				if breach := breach(s, f.readState); breach != "" && len(changes) == 0 {
					changes = append(changes, breach)
				}
			}
			if len(changes) > 0 {
				all = append(all, fmt.Sprintf("state: %s; where a repository takes snapshots, raise eventus.WithSnapshotVersion, or an old snapshot is read as a state of today", strings.Join(changes, "; ")))
			}
			continue
		}
		for _, change := range fieldChanges(old, now, false) {
			all = append(all, fmt.Sprintf("%s %s: %s; give the new form a wire name of its own, and read the old one by eventus.Upcast(%q, ...)", old.kind, old.name, change, old.name))
		}
		for _, s := range old.samples {
			if old.kind == kindEvent && now.kind == kindUpcast {
				s.reads = "" // by now an old form, which is read as its upcast says
			}
			if breach := breach(s, func(s sample) (sample, error) { return f.read(old.name, s) }); breach != "" {
				all = append(all, fmt.Sprintf("%s %s: %s", old.kind, old.name, breach))
			}
		}
	}
	return all
}

// breach says how a sample is not read as it was.
func breach(s sample, read func(sample) (sample, error)) string {
	now, err := read(s)
	if err != nil {
		return fmt.Sprintf("an old sample is not read any more: %v\n\t%s", err, armoured(s.data))
	}
	if difference := otherwise(s, now); s.reads != "" && difference != "" {
		return fmt.Sprintf("an old sample is read otherwise: %s\n\t%s\n\twas %s\n\tis  %s", difference, armoured(s.data), s.reads, now.reads)
	}
	return ""
}

// fieldChanges lists how the fields of a form have changed; added ones only when
// they matter.
func fieldChanges(old block, now *block, added bool) []string {
	var all []string
	types := make(map[string]string, len(now.fields))
	for _, f := range now.fields {
		types[f.path] = f.typ
	}
	for _, f := range old.fields {
		switch typ, ok := types[f.path]; {
		case !ok:
			all = append(all, fmt.Sprintf("the field %s is gone", f.path))
		case typ != f.typ:
			all = append(all, fmt.Sprintf("the field %s was %q and is %q", f.path, f.typ, typ))
		}
		delete(types, f.path)
	}
	for _, f := range now.fields {
		if _, fresh := types[f.path]; fresh && added {
			all = append(all, fmt.Sprintf("the field %s is new", f.path))
		}
	}
	return all
}

// otherwise compares what a sample was and is read as. What has been added since
// is no difference.
func otherwise(was, is sample) string {
	if was.as != is.as {
		return fmt.Sprintf("as %q, not %q", is.as, was.as)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(was.reads), &a), json.Unmarshal([]byte(is.reads), &b)); err != nil {
		return err.Error()
	}
	return lacks(a, b, "")
}

// lacks returns the first part of was that is is without.
func lacks(was, is any, path string) string {
	switch was := was.(type) {
	case map[string]any:
		is, ok := is.(map[string]any)
		if !ok {
			break
		}
		names := make([]string, 0, len(was))
		for name := range was {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if d := lacks(was[name], is[name], path+"."+name); d != "" {
				return d
			}
		}
		return ""
	case []any:
		is, ok := is.([]any)
		if !ok || len(is) != len(was) {
			break
		}
		for i := range was {
			if d := lacks(was[i], is[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	}
	if reflect.DeepEqual(was, is) {
		return ""
	}
	return fmt.Sprintf("%s was %v and is %v", strings.TrimPrefix(path, "."), was, is)
}

// update writes the contract of today, with all samples there ever were.
func (f form[S, E, A]) update(t testing.TB, path string, recorded, today *contract) {
	t.Helper()
	for _, old := range recorded.blocks {
		now := today.find(old)
		if now == nil {
			t.Fatalf("%s is not written: %s is gone, and with it what reads its samples; keep the name, or read its form by eventus.Upcast(%q, ...)", path, old.name, old.name)
		}
		if old.kind == kindState {
			continue // a snapshot of another form is of another version, and not read
		}
		var kept []sample
		for _, s := range old.samples {
			s, err := f.read(old.name, s)
			if err != nil {
				t.Fatalf("%s is not written: a sample of %s is not read any more, and no update drops it: %v\n\t%s", path, old.name, err, armoured(s.data))
			}
			kept = append(kept, s)
		}
		for _, s := range now.samples {
			if !slices.ContainsFunc(kept, func(k sample) bool { return k.data == s.data && k.contentType == s.contentType }) {
				kept = append(kept, s)
			}
		}
		now.samples = kept
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(today.write()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is written; look at what has changed", path)
}
