package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/state"
)

// Acquire implements rotate.Store.
func (s *Store) Acquire(ctx context.Context, req rotate.LeaseRequest) (rotate.Lease, error) {
	var lease rotate.Lease
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		last, err := lastLease(ctx, tx, req.Domain)
		if err != nil {
			return err
		}
		if lease, err = state.Grant(last, req); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO leases (domain, owner, fence, expires) VALUES (?, ?, ?, ?)",
			lease.Domain, lease.Owner, lease.Fence, state.Nanos(lease.Expires))
		return err
	})
	if err != nil {
		return rotate.Lease{}, s.failed("take the lease on "+req.Domain, err)
	}
	return lease, nil
}

// Release implements rotate.Store.
func (s *Store) Release(ctx context.Context, l rotate.Lease) error {
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE leases SET owner = '', expires = 0 WHERE domain = ? AND owner = ? AND fence = ?",
			l.Domain, l.Owner, l.Fence)
		return err
	})
	return s.failed("give back the lease on "+l.Domain, err)
}

// Save implements rotate.Store.
func (s *Store) Save(ctx context.Context, l rotate.Lease, now time.Time, st rotate.State, events ...rotate.Event) (int64, error) {
	stored := st
	stored.Revision++
	body, err := state.Encode(stored)
	if err != nil {
		return 0, err
	}
	lines := make([]string, len(events))
	for i, e := range events {
		if lines[i], err = state.Encode(e); err != nil {
			return 0, err
		}
	}
	err = s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := admit(ctx, tx, l, now, st, events); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO domains (domain, revision, phase, next_at, config, failures, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
			st.Domain, stored.Revision, string(st.Phase), state.Nanos(state.NextAt(st)), st.Config, st.Failures, body); err != nil {
			return err
		}
		if err := record(ctx, tx, events, lines); err != nil {
			return err
		}
		if err := noteLook(ctx, tx, st, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE leases SET expires = ? WHERE domain = ?", state.Nanos(now.Add(l.TTL)), l.Domain)
		return err
	})
	if err != nil {
		return 0, s.failed("save the state of "+st.Domain, err)
	}
	return stored.Revision, nil
}

// admit checks lease and revision as they stand within the transaction.
func admit(ctx context.Context, tx *sql.Tx, l rotate.Lease, now time.Time, st rotate.State, events []rotate.Event) error {
	last, err := lastLease(ctx, tx, st.Domain)
	if err != nil {
		return err
	}
	var revision int64
	err = tx.QueryRowContext(ctx, "SELECT revision FROM domains WHERE domain = ?", st.Domain).Scan(&revision)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return state.Admit(last, l, now, revision, st, events)
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

// lastLease returns the lease that was last granted, or the zero Lease.
func lastLease(ctx context.Context, tx *sql.Tx, domain string) (rotate.Lease, error) {
	last := rotate.Lease{Domain: domain}
	var expires int64
	row := tx.QueryRowContext(ctx, "SELECT owner, fence, expires FROM leases WHERE domain = ?", domain)
	err := row.Scan(&last.Owner, &last.Fence, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return rotate.Lease{}, nil
	}
	last.Expires = time.Unix(0, expires).UTC()
	return last, err
}

// failed leaves refusals as they are and makes faults of SQLite's errors.
func (s *Store) failed(attempt string, err error) error {
	var held *rotate.HeldError
	if errors.As(err, &held) {
		return err
	}
	return broken(s.path, attempt, err)
}
