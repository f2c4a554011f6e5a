package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

const (
	deleteSegmentsSQL = `DELETE FROM consumer_segments WHERE name = ? AND generation = ?`
	deleteMembersSQL  = `DELETE FROM consumer_members WHERE name = ? AND generation = ?`
)

// deleteParts removes a consumer's segments and members.
func (s *Store) deleteParts(ctx context.Context, tx *sql.Tx, id store.ConsumerID) error {
	for _, statement := range []*sql.Stmt{s.statements.deleteSegments, s.statements.deleteMembers} {
		if _, err := tx.StmtContext(ctx, statement).ExecContext(ctx, id.Name, id.Generation); err != nil {
			return err
		}
	}
	return nil
}

const (
	insertSegmentSQL = `
INSERT INTO consumer_segments (name, generation, segment, position, event_id, trying, tries, forked, owner, epoch, lease_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertMemberSQL = `INSERT INTO consumer_members (name, generation, member, program, until) VALUES (?, ?, ?, ?, ?)`
)

// replaceParts stores c's segments and members in place of those that are there.
func (s *Store) replaceParts(ctx context.Context, tx *sql.Tx, c *store.Consumer) error {
	if err := s.deleteParts(ctx, tx, c.ConsumerID); err != nil {
		return err
	}
	statement := tx.StmtContext(ctx, s.statements.insertSegment)
	for i, g := range c.Segments {
		if _, err := statement.ExecContext(ctx, c.Name, c.Generation, i,
			g.Position, g.EventID, g.Trying, g.Tries, g.Forked, g.Owner, g.Epoch, g.LeaseUntil.UnixMicro()); err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
	}
	statement = tx.StmtContext(ctx, s.statements.insertMember)
	for _, m := range c.Members {
		if _, err := statement.ExecContext(ctx, c.Name, c.Generation, m.Name, m.Program, m.Until.UnixMicro()); err != nil {
			return fmt.Errorf("member %s: %w", m.Name, err)
		}
	}
	return nil
}
