package powercut

import (
	"cmp"
	"time"
)

// Names says when a change of a name is durable.
type Names int

const (
	// ByFolder makes the changes of a folder's entries durable by fsync of the
	// folder. What is not durable is lost or kept in any combination that keeps the
	// order of changes to one name.
	ByFolder Names = iota
	// ByJournal makes all changes of names durable, up to the last one that a file
	// or folder took part in, by fsync of that file or folder. What is not durable
	// is lost from some change on. ext4 and XFS do so.
	ByJournal
)

// Options say how a file system keeps and loses. The zero value is the strictest.
type Options struct {
	// Names says when a creation, a rename or a removal is durable. Default ByFolder.
	Names Names
	// CommitInterval is after which time changes of names are durable without
	// fsync. Zero means 5 seconds, as in ext4; negative means never.
	CommitInterval time.Duration
	// WritebackEvery is how many writes, on average, lie between two pages that are
	// written back without fsync. Zero means 64; negative means that none is.
	WritebackEvery int
	// SyncDelay is the longest time that fsync takes; each takes a random part of it.
	// Default 0.
	SyncDelay time.Duration
	// IgnoreSync answers fsync and makes nothing durable by it, as a disk does whose
	// cache lies. A test that expects a loss shows so that it would find one.
	// Default false.
	IgnoreSync bool
}

func (o Options) commitInterval() time.Duration { return cmp.Or(o.CommitInterval, 5*time.Second) }
func (o Options) writebackEvery() int           { return cmp.Or(o.WritebackEvery, 64) }
