package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// Acquire implements ports.Store.
func (s *Store) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	var lease ports.Lease
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		last, err := lastLease(ctx, tx, req.Domain)
		if err != nil {
			return err
		}
		if lease, err = state.Grant(last, req); err != nil {
			return err
		}
		return putLease(ctx, tx, lease)
	})
	if err != nil {
		return ports.Lease{}, s.failed("take the lease on "+req.Domain, err)
	}
	return lease, nil
}

// Renew implements ports.Store.
func (s *Store) Renew(ctx context.Context, l ports.Lease, now time.Time) error {
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		last, err := lastLease(ctx, tx, l.Domain)
		if err != nil {
			return err
		}
		return renew(ctx, tx, last, l, now)
	})
	return s.failed("renew the lease on "+l.Domain, err)
}

// renew renews the lease, given how it stands.
func renew(ctx context.Context, tx *sql.Tx, last, l ports.Lease, now time.Time) error {
	lease, err := state.Renewed(last, l, now)
	if err != nil {
		return err
	}
	return putLease(ctx, tx, lease)
}

// Release implements ports.Store.
func (s *Store) Release(ctx context.Context, l ports.Lease) error {
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE leases SET owner = '', expires = 0 WHERE domain = ? AND owner = ? AND fence = ?",
			l.Domain, l.Owner, l.Fence)
		return err
	})
	return s.failed("give back the lease on "+l.Domain, err)
}

func putLease(ctx context.Context, tx *sql.Tx, l ports.Lease) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO leases (domain, owner, fence, expires, renewals, ttl, "+
		"since) VALUES (?, ?, ?, ?, ?, ?, ?)",
		l.Domain, l.Owner, l.Fence, state.Nanos(l.Expires), l.Renewals, int64(l.TTL), sinceOf(l.Since))
	return err
}

// lastLease returns the lease as it stands, or the zero Lease.
func lastLease(ctx context.Context, tx *sql.Tx, domain string) (ports.Lease, error) {
	last := ports.Lease{Domain: domain}
	var expires, ttl, since int64
	row := tx.QueryRowContext(ctx,
		"SELECT owner, fence, expires, renewals, ttl, since FROM leases WHERE domain = ?", domain)
	err := row.Scan(&last.Owner, &last.Fence, &expires, &last.Renewals, &ttl, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return ports.Lease{}, nil
	}
	last.Expires, last.TTL = time.Unix(0, expires).UTC(), time.Duration(ttl)
	if since != 0 {
		last.Since = time.Unix(0, since).UTC()
	}
	return last, err
}

// sinceOf is 0 for a time that is not known.
func sinceOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return state.Nanos(t)
}

// failed leaves refusals as they are and makes faults of SQLite's errors.
func (s *Store) failed(attempt string, err error) error {
	var held *ports.HeldError
	if errors.As(err, &held) {
		return err
	}
	return broken(s.path, attempt, err)
}
