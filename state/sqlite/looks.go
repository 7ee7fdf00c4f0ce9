package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/state"
)

// TakeLooks implements state.Store.
func (s *Store) TakeLooks(ctx context.Context, now time.Time, domains []string) ([]string, error) {
	var taken []string
	err := s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		taken = nil
		for _, domain := range domains {
			done, err := tx.ExecContext(ctx, "UPDATE looks SET at = ? WHERE domain = ? AND (at <= ? OR at > ?)",
				state.Nanos(rotate.NextLook(domain, now)), domain, state.Nanos(now), state.Nanos(state.TooFar(now)))
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				taken = append(taken, domain)
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.failed("take turns to look after domains", err)
	}
	return taken, nil
}

// noteLook notes when the domain is to be looked after, if that follows from what is saved.
func noteLook(ctx context.Context, tx *sql.Tx, st rotate.State, now time.Time) error {
	at, note := state.FirstLook(st, now)
	if !note {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO looks (domain, at) VALUES (?, ?) ON CONFLICT (domain) DO UPDATE SET at = max(at, excluded.at)",
		st.Domain, state.Nanos(at))
	return err
}
