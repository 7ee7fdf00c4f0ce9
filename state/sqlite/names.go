package sqlite

import (
	"context"
	"database/sql"
	"errors"

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

// holderOf returns whose record stands at a name: by an entry, or because it is its own.
func holderOf(ctx context.Context, q querier, owner string) (dkim.Name, error) {
	var entered dkim.Name
	err := q.QueryRowContext(ctx, "SELECT domain, selector FROM names WHERE owner = ?", owner).Scan(&entered.Domain,
		&entered.Selector)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return dkim.Name{}, err
	}
	own, _ := state.OwnName(owner)
	for _, name := range []dkim.Name{entered, own} {
		if held, err := manages(ctx, q, name); held || err != nil {
			return name, err
		}
	}
	return dkim.Name{}, nil
}

// manages reports whether the stored state of the name's domain keeps a record for its selector.
func manages(ctx context.Context, q querier, name dkim.Name) (bool, error) {
	if name.Domain == "" {
		return false, nil
	}
	var revision int64
	var body []byte
	err := q.QueryRowContext(ctx, "SELECT revision, body FROM domains WHERE domain = ?",
		name.Domain).Scan(&revision, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	st, err := state.Decode(body, name.Domain, revision)
	return err == nil && state.Manages(st, name.Selector), err
}
