package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// statements are those of the hot paths, prepared once for each connection that
// uses them. They live as long as the database does.
type statements struct {
	lock, lasts, lastOne, enqueue *sql.Stmt
	repeats                       *sql.Stmt
	insert                        [len(insertSizes)]*sql.Stmt
	read, readAll, readSnapshot   *sql.Stmt
	readStretch                   *sql.Stmt
	unpublished, last, previous   *sql.Stmt
	dequeue, dequeueRange         *sql.Stmt
	keep, writeSnapshot           *sql.Stmt
	marks, setMarks               *sql.Stmt
	enqueueMessage, remember      *sql.Stmt

	listAll, listSome, saveConsumer, advance *sql.Stmt
	deleteSegments, insertSegment            *sql.Stmt
	deleteMembers, insertMember              *sql.Stmt

	setParked, deleteParked, findParked     *sql.Stmt
	dueParked, countParked, pendingRequests *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	all := map[**sql.Stmt]string{
		&s.lock: lockSQL, &s.lasts: lastsSQL, &s.lastOne: lastOneSQL, &s.repeats: repeatsSQL, &s.enqueue: enqueueSQL,
		&s.read: readSQL, &s.readAll: readAllSQL, &s.readStretch: readStretchSQL, &s.readSnapshot: readSnapshotSQL,
		&s.unpublished: unpublishedSQL, &s.previous: previousSQL, &s.last: lastSQL, &s.dequeue: dequeueSQL, &s.dequeueRange: dequeueRangeSQL, &s.keep: keepSQL, &s.writeSnapshot: writeSnapshotSQL,
		&s.marks: marksSQL, &s.setMarks: setMarksSQL, &s.enqueueMessage: enqueueMessageSQL, &s.remember: rememberSQL,
		&s.listAll: listAllSQL, &s.listSome: listSomeSQL, &s.saveConsumer: saveConsumerSQL, &s.advance: advanceSQL,
		&s.deleteSegments: deleteSegmentsSQL, &s.insertSegment: insertSegmentSQL,
		&s.deleteMembers: deleteMembersSQL, &s.insertMember: insertMemberSQL,
		&s.setParked: setParkedSQL, &s.deleteParked: deleteParkedSQL, &s.findParked: findParkedSQL,
		&s.dueParked: dueParkedSQL, &s.countParked: countParkedSQL, &s.pendingRequests: pendingRequestsSQL,
	}
	for i, size := range insertSizes {
		all[&s.insert[i]] = insertSQL(size)
	}
	for statement, text := range all {
		prepared, err := db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", text, err)
		}
		*statement = prepared
	}
	return nil
}
