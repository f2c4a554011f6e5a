package powercut

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// script does what a program does to names, one word each: "+a" makes a in the first
// folder, "-a" removes it, "a>b" renames it, and "a>/b" takes it to the second folder.
func script(words ...string) (first, second *node, j *journal) {
	f := &FS{}
	first, second, j = f.newNode(0o040755, 0, 0), f.newNode(0o040755, 0, 0), &f.journal
	for _, word := range words {
		from, to, renames := strings.Cut(word, ">")
		switch {
		case !renames && word[0] == '+':
			f.changed(change{first, word[1:], f.newNode(0o100644, 0, 0)})
		case !renames:
			f.changed(change{first, word[1:], nil})
		case to[0] == '/':
			f.changed(change{first, from, nil}, change{second, to[1:], first.live[from]})
		default:
			f.changed(change{first, from, nil}, change{first, to, first.live[from]})
		}
	}
	return first, second, j
}

func names(folders ...*node) string {
	var all []string
	for _, n := range folders {
		all = append(all, strings.Join(slices.Sorted(maps.Keys(n.disk)), " "))
	}
	return strings.Join(all, " | ")
}

func TestFsyncOfAFolderCarriesItsEntries(t *testing.T) {
	for _, v := range []struct {
		words         string
		first, second string // on the disk, after fsync of the one folder or the other
	}{
		{"+a +b -a", "b | ", " | "},
		{"+a a>b", "b | ", " | "},
		{"+a a>/b", " | b", " | b"},
		{"+a +c a>/b", "c | b", " | b"},       // what a rename rests on is carried with it
		{"+a a>/b +a a>/b", " | b", " | b"},   // each of the operations rests on the one before
		{"+a a>/b +a +d", "a d | b", " | b"},  // and not on one after it
		{"+x +a x>y a>/b -y", " | b", " | b"}, // other entries stay as they were
	} {
		words := strings.Fields(v.words)
		first, second, j := script(words...)
		j.carryFolder(first)
		if got := names(first, second); got != v.first {
			t.Errorf("%s: after fsync of the first folder the disk has %q, want %q", v.words, got, v.first)
		}
		first, second, j = script(words...)
		j.carryFolder(second)
		if got := names(first, second); got != v.second {
			t.Errorf("%s: after fsync of the second folder the disk has %q, want %q", v.words, got, v.second)
		}
	}
}

func TestFsyncOfAFileCarriesTheJournalUpToItsName(t *testing.T) {
	first, second, j := script("+a", "+b", "a>c", "+d")
	j.carryUpTo(first.live["b"])
	if got := names(first, second); got != "a b | " {
		t.Errorf("after fsync of b the disk has %q", got)
	}
	j.carryUpTo(first.live["c"])
	if got := names(first, second); got != "b c | " {
		t.Errorf("after fsync of c the disk has %q", got)
	}
	j.carryUpTo(first.live["b"])
	if got := fmt.Sprint(names(first, second), len(j.operations)); got != "b c | 1" {
		t.Errorf("after a second fsync of b the disk has %q", got)
	}
}
