package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the store's statements with the name of its schema in them: no
// search_path, which is a session's, can lead them elsewhere.
type statements struct {
	appendEvent, appendStream           string
	appendEvents, version               string
	read, readAll, logHead, timesAfter  string
	readStretch                         string
	holders, blockedBy                  string
	unpublished, last                   string
	dequeue, dequeueRange               string
	published, refuse, readmit, refused string
	dropCheckpoints, addCheckpoints     string
	readSnapshot, writeSnapshot         string
	shareConsumer, ownConsumer          string
	lockMarks, marks, setMarks          string
	inboxStatements
	lease, endLease string

	allConsumers, allSegments, allMembers       string
	someConsumers, someSegments, someMembers    string
	createConsumer, lockConsumer, saveConsumer  string
	renameConsumer, deleteConsumer              string
	lockSegments, deleteSegments, deleteMembers string
	advance                                     string
	setParked, deleteParked, findParked         string
	dueParked, listParked, countParked          string
	countAllParked                              string
	redriveParked, redriveAllParked             string
	lockRetriedParked, retryParked              string
	lockParkedStreams                           string
	deleteParkedStreams, makeRoom               string
	addRequest, pendingRequests, finishRequest  string
	listRequests, listRequestsOf                string
	history                                     string
}

func newStatements(schema string) statements {
	in := func(text string) string { return qualify(schema, text) }
	return statements{
		appendEvent: in(appendEventSQL), appendStream: in(appendStreamSQL), appendEvents: in(appendEventsSQL), version: in(versionSQL),
		read: in(readSQL), readAll: in(readAllSQL), readStretch: in(readStretchSQL), logHead: in(logHeadSQL), timesAfter: in(timesAfterSQL),
		holders: in(holdersSQL), blockedBy: in(blockedBySQL),
		unpublished: in(unpublishedSQL), last: in(lastSQL), dequeue: in(dequeueSQL), dequeueRange: in(dequeueRangeSQL), published: in(publishedSQL),
		dropCheckpoints: in(dropCheckpointsSQL), addCheckpoints: in(addCheckpointsSQL),
		refuse: in(refuseSQL), readmit: in(readmitSQL), refused: in(refusedSQL),
		readSnapshot: in(readSnapshotSQL), writeSnapshot: in(writeSnapshotSQL),
		shareConsumer: shareConsumerSQL, ownConsumer: ownConsumerSQL,
		lockMarks: in(lockMarksSQL), marks: in(marksSQL), setMarks: in(setMarksSQL),
		inboxStatements: newInboxStatements(in),
		lease:           in(leaseSQL), endLease: in(endLeaseSQL),

		allConsumers: in(allConsumersSQL), allSegments: in(allSegmentsSQL), allMembers: in(allMembersSQL),
		someConsumers: in(someConsumersSQL), someSegments: in(someSegmentsSQL), someMembers: in(someMembersSQL),
		createConsumer: in(createConsumerSQL), lockConsumer: in(lockConsumerSQL), saveConsumer: in(saveConsumerSQL),
		renameConsumer: in(renameConsumerSQL), deleteConsumer: in(deleteConsumerSQL),
		lockSegments: in(lockSegmentsSQL), deleteSegments: in(deleteSegmentsSQL), deleteMembers: in(deleteMembersSQL),
		advance:   in(advanceSQL),
		setParked: in(setParkedSQL), deleteParked: in(deleteParkedSQL), findParked: in(findParkedSQL),
		dueParked: in(dueParkedSQL), listParked: in(listParkedSQL), countParked: in(countParkedSQL),
		countAllParked: in(countAllParkedSQL),
		redriveParked:  in(redriveParkedSQL), redriveAllParked: in(redriveAllParkedSQL),
		lockRetriedParked: in(lockRetriedParkedSQL), retryParked: in(retryParkedSQL),
		lockParkedStreams:   in(lockParkedStreamsSQL),
		deleteParkedStreams: in(deleteParkedStreamsSQL), makeRoom: in(makeRoomSQL),
		addRequest: in(addRequestSQL), pendingRequests: in(pendingRequestsSQL), finishRequest: in(finishRequestSQL),
		listRequests: in(listRequestsSQL), listRequestsOf: in(listRequestsOfSQL),
		history: in(historySQL),
	}
}

// qualify puts the quoted name of the schema where a statement has "{schema}".
func qualify(schema, text string) string {
	return strings.ReplaceAll(text, "{schema}", pgx.Identifier{schema}.Sanitize())
}
