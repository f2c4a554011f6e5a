package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
)

// print prints the lines of changes until ctx ends, and then those that are
// left. A line is removed after it was printed, so that a program that is killed
// in between prints it again.
func (p *prices) print(ctx context.Context, out io.Writer) error {
	for {
		if err := p.printAll(context.WithoutCancel(ctx), out); err != nil {
			return fmt.Errorf("print the changes: %w", err)
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return p.printAll(context.WithoutCancel(ctx), out)
		}
	}
}

func (p *prices) printAll(ctx context.Context, out io.Writer) error {
	for printed := int64(0); ; {
		lines, last, err := p.nextLines(ctx, printed)
		if err != nil || len(lines) == 0 {
			return err
		}
		for _, line := range lines {
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
		printed = last
	}
}

// nextLines removes the lines up to number printed and returns the next ones. The
// transaction waits for the end of the one whose handler woke the printer.
func (p *prices) nextLines(ctx context.Context, printed int64) (lines []string, last int64, err error) {
	const most = 100 // bounds what a killed program prints again
	err = p.inbox.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM lines WHERE number <= ?`, printed); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT number, line FROM lines ORDER BY number LIMIT ?`, most)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&last, &line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	return lines, last, err
}
