package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

const selectSwitches = "SELECT domain, at FROM switches WHERE at > ?"

// Switches implements ports.QuotaReader.
func (r *reads) Switches(ctx context.Context, now time.Time) ([]ports.Begun, error) {
	var begun []ports.Begun
	err := r.read(ctx, "count the switches", func(db *sql.DB) error {
		begun = nil
		return rows(ctx, db, selectSwitches, []any{state.Nanos(now.Add(-time.Hour))}, func(row *sql.Rows) error {
			b, err := scanBegun(row, now)
			begun = append(begun, b)
			return err
		})
	})
	return begun, err
}

// scanBegun reads one row. A time after now was noted by a wrong clock.
func scanBegun(row *sql.Rows, now time.Time) (ports.Begun, error) {
	var b ports.Begun
	var at int64
	err := row.Scan(&b.Domain, &at)
	b.At = time.Unix(0, min(at, state.Nanos(now))).UTC()
	return b, err
}

// TakeSwitch implements ports.Quota.
func (s *Store) TakeSwitch(ctx context.Context, domain string, now time.Time, most int) (time.Time, error) {
	room := now
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		begun, err := keepRecent(ctx, tx, now)
		if err != nil {
			return err
		}
		if room = ports.Room(begun, domain, now, most); room.After(now) {
			return nil
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO switches (domain, at) VALUES (?, ?)", domain, state.Nanos(now))
		return err
	})
	if err != nil {
		return time.Time{}, s.failed("count the switch of "+domain, err)
	}
	return room, nil
}

// keepRecent forgets what is no longer counted, and returns what is.
func keepRecent(ctx context.Context, tx *sql.Tx, now time.Time) ([]ports.Begun, error) {
	from, to := state.Nanos(now.Add(-time.Hour)), state.Nanos(now)
	if _, err := tx.ExecContext(ctx, "DELETE FROM switches WHERE at <= ?", from); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE switches SET at = ? WHERE at > ?", to, to); err != nil {
		return nil, err
	}
	found, err := tx.QueryContext(ctx, selectSwitches, from)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var begun []ports.Begun
	for found.Next() {
		b, err := scanBegun(found, now)
		if err != nil {
			return nil, err
		}
		begun = append(begun, b)
	}
	return begun, found.Err()
}
