package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/state"
)

// Holder implements ports.NameReader.
func (r *reads) Holder(ctx context.Context, owner string) (holder dkim.Name, err error) {
	err = r.read(ctx, "find out whose record stands at "+owner, func(db *sql.DB) error {
		holder, err = holderOf(ctx, db, owner)
		return err
	})
	return holder, err
}

// Claim implements ports.Names.
func (s *Store) Claim(ctx context.Context, owner string, name dkim.Name) (holder dkim.Name, err error) {
	err = s.writer.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if holder, err = holderOf(ctx, tx, owner); err != nil || holder != (dkim.Name{}) && holder != name {
			return err
		}
		holder = name
		if _, err := tx.ExecContext(ctx, "DELETE FROM names WHERE domain = ? AND selector = ? OR owner = ?", name.Domain,
			name.Selector, owner); err != nil {
			return err
		}
		if owner == name.String() {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO names (owner, domain, selector) VALUES (?, ?, ?)", owner,
			name.Domain, name.Selector)
		return err
	})
	if err != nil {
		return dkim.Name{}, s.failed("claim "+owner+" for "+name.String(), err)
	}
	return holder, nil
}

// Kept implements ports.NameReader.
func (r *reads) Kept(ctx context.Context, owner string) (name dkim.Name, of rotate.State, err error) {
	err = r.read(ctx, "find out whose record stood at "+owner, func(db *sql.DB) error {
		name, of, err = keeperOf(ctx, db, owner)
		return err
	})
	return name, of, err
}

// holderOf returns whose record stands at a name: by an entry, or because it is its own.
func holderOf(ctx context.Context, q querier, owner string) (dkim.Name, error) {
	name, of, err := keeperOf(ctx, q, owner)
	if err != nil || !state.Manages(of, name.Selector) {
		return dkim.Name{}, err
	}
	return name, nil
}

// keeperOf returns whose record stands at a name, or stood there as far as is known, with the state of its domain.
func keeperOf(ctx context.Context, q querier, owner string) (dkim.Name, rotate.State, error) {
	var entered dkim.Name
	err := q.QueryRowContext(ctx, "SELECT domain, selector FROM names WHERE owner = ?", owner).Scan(&entered.Domain,
		&entered.Selector)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return dkim.Name{}, rotate.State{}, err
	}
	own, _ := state.OwnName(owner)
	return state.Keeper([]dkim.Name{entered, own}, func(domain string) (rotate.State, error) {
		var revision int64
		var body []byte
		err := q.QueryRowContext(ctx, "SELECT revision, body FROM domains WHERE domain = ?", domain).Scan(&revision, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return state.Fresh(domain), nil
		}
		if err != nil {
			return rotate.State{}, err
		}
		return state.Decode(body, domain, revision)
	})
}
