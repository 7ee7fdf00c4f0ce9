package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// Save implements ports.Store.
func (s *Store) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	stored := st
	stored.Revision++
	body, err := state.Encode(stored)
	if err != nil {
		return 0, err
	}
	lines, err := encoded(events)
	if err != nil {
		return 0, err
	}
	err = s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		last, err := admit(ctx, tx, l, st, events)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			"INSERT OR REPLACE INTO domains (domain, revision, phase, next_at, config, failures, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
			st.Domain, stored.Revision, string(st.Phase), state.Nanos(state.NextAt(st)), st.Config, st.Failures,
			body); err != nil {
			return err
		}
		if err := record(ctx, tx, events, lines); err != nil {
			return err
		}
		if err := noteLook(ctx, tx, st, now); err != nil {
			return err
		}
		return renew(ctx, tx, last, l, now)
	})
	if err != nil {
		return 0, s.failed("save the state of "+st.Domain, err)
	}
	return stored.Revision, nil
}

// admit checks lease and revision as they stand within the transaction, and returns the lease.
func admit(ctx context.Context, tx *sql.Tx, l ports.Lease, st rotate.State,
	events []rotate.Event) (last ports.Lease, err error) {
	if last, err = lastLease(ctx, tx, st.Domain); err != nil {
		return last, err
	}
	var revision int64
	err = tx.QueryRowContext(ctx, "SELECT revision FROM domains WHERE domain = ?", st.Domain).Scan(&revision)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return last, err
	}
	return last, state.Admit(last, l, revision, st, events)
}

// record appends the events, whose JSON is in lines, to the history.
func record(ctx context.Context, tx *sql.Tx, events []rotate.Event, lines []string) error {
	for i, e := range events {
		if _, err := tx.ExecContext(ctx, "INSERT INTO history (domain, at, body) VALUES (?, ?, ?)",
			e.Domain, state.Nanos(e.At), lines[i]); err != nil {
			return err
		}
	}
	return nil
}

// encoded returns the events' JSON.
func encoded(events []rotate.Event) ([]string, error) {
	lines := make([]string, len(events))
	for i, e := range events {
		var err error
		if lines[i], err = state.Encode(e); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
