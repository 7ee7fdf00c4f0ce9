package sqlite

import (
	"context"
	"database/sql"
	"errors"
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
			took, err := takeLook(ctx, tx, domain, now)
			if err != nil {
				return err
			}
			if took {
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

// takeLook takes one domain's turn, if it has come.
func takeLook(ctx context.Context, tx *sql.Tx, domain string, now time.Time) (bool, error) {
	var at, closely int64
	err := tx.QueryRowContext(ctx, "SELECT at, closely FROM looks WHERE domain = ?", domain).Scan(&at, &closely)
	if errors.Is(err, sql.ErrNoRows) || err == nil && at > state.Nanos(now) && at <= state.Nanos(state.TooFar(now)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next := state.NextTurn(domain, now, time.Unix(0, closely))
	_, err = tx.ExecContext(ctx, "UPDATE looks SET at = ? WHERE domain = ?", state.Nanos(next), domain)
	return true, err
}

// LookAgain implements ports.Store.
func (s *Store) LookAgain(ctx context.Context, domain string, at, closely time.Time, events ...rotate.Event) error {
	lines, err := encoded(events)
	if err != nil {
		return err
	}
	err = s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := record(ctx, tx, events, lines); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO looks (domain, at, closely) VALUES (?, ?, "+
			"?) ON CONFLICT (domain) DO UPDATE SET "+
			"at = min(at, excluded.at), closely = iif(excluded.closely != 0, excluded.closely, closely)", domain,
			state.Nanos(at), sinceOf(closely))
		return err
	})
	return s.failed("have "+domain+" looked after again", err)
}

// noteLook notes when the domain is to be looked after, if that follows from what is saved.
func noteLook(ctx context.Context, tx *sql.Tx, st rotate.State, now time.Time) error {
	at, note := state.FirstLook(st, now)
	if !note {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO looks (domain, at) VALUES (?, "+
		"?) ON CONFLICT (domain) DO UPDATE SET at = max(at, excluded.at)",
		st.Domain, state.Nanos(at))
	return err
}
