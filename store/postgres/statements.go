package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the store's statements with the name of its schema in them: no
// search_path, which is a session's, can lead them elsewhere.
type statements struct {
	append, appendOne, version         string
	read, readAll, logHead, timesAfter string
	holders, holdup                    string
	unpublished, dequeue, republish    string
	readSnapshot, writeSnapshot        string
	shareConsumer, ownConsumer         string
	lockMarks, marks, setMarks         string
	inboxStatements
	park, parked, unpark, parkedStreams string
	lease, endLease, history            string
}

func newStatements(schema string) statements {
	in := func(text string) string { return qualify(schema, text) }
	return statements{
		append: in(appendSQL), appendOne: in(appendOneSQL), version: in(versionSQL),
		read: in(readSQL), readAll: in(readAllSQL), logHead: in(logHeadSQL), timesAfter: in(timesAfterSQL),
		holders: in(holdersSQL), holdup: in(holdupSQL),
		unpublished: in(unpublishedSQL), dequeue: in(dequeueSQL), republish: in(republishSQL),
		readSnapshot: in(readSnapshotSQL), writeSnapshot: in(writeSnapshotSQL),
		shareConsumer: shareConsumerSQL, ownConsumer: ownConsumerSQL,
		lockMarks: in(lockMarksSQL), marks: in(marksSQL), setMarks: in(setMarksSQL),
		inboxStatements: newInboxStatements(in),
		park:            in(parkSQL), parked: in(parkedSQL), unpark: in(unparkSQL), parkedStreams: in(parkedStreamsSQL),
		lease: in(leaseSQL), endLease: in(endLeaseSQL), history: in(historySQL),
	}
}

// qualify puts the quoted name of the schema where a statement has "{schema}".
func qualify(schema, text string) string {
	return strings.ReplaceAll(text, "{schema}", pgx.Identifier{schema}.Sanitize())
}
