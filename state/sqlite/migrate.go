package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/state"
)

// applicationID marks our databases in their header: "dkim".
const applicationID = 0x646b696d

//go:embed migrations/*.sql
var files embed.FS

// migrations returns the scripts in order: the script at i leads from schema
// version i to i+1. A script that was released is never changed.
func migrations() []string {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		panic("sqlite: " + err.Error())
	}
	scripts := make([]string, len(names))
	for i, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic("sqlite: " + err.Error())
		}
		scripts[i] = string(b)
	}
	return scripts
}

// migrate brings an existing database up to the last of the scripts.
func migrate(ctx context.Context, db *sql.DB, path string, scripts []string) error {
	version, err := schemaVersion(ctx, db, path, len(scripts))
	if err != nil || version == len(scripts) {
		return err
	}
	return apply(ctx, db, path, version, scripts)
}

// schemaVersion returns the database's schema version, at least 1 and at most known.
func schemaVersion(ctx context.Context, db *sql.DB, path string, known int) (int, error) {
	var id, version int
	row := db.QueryRowContext(ctx, "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version")
	if err := row.Scan(&id, &version); err != nil {
		return 0, broken(path, "open", err)
	}
	switch {
	case id != applicationID || version == 0:
		return 0, damaged(path, "open", errors.New("it is empty or not a database of dkimbot"))
	case version > known:
		return 0, fault.Refuse(codes.NewerState,
			fmt.Sprintf("open the state database %s: its schema is version %d, this dkimbot knows %d", path, version, known),
			"a newer dkimbot wrote this; run that version, or restore the backup made before the upgrade")
	}
	return version, nil
}

// apply runs the scripts that follow version, each in a transaction of its own.
func apply(ctx context.Context, db *sql.DB, path string, version int, scripts []string) error {
	for to := version + 1; to <= len(scripts); to++ {
		if err := step(ctx, db, to, scripts[to-1]); err != nil {
			return broken(path, fmt.Sprintf("migrate to schema version %d", to), err)
		}
	}
	return nil
}

// step leads to one version, unless another process was there first.
func step(ctx context.Context, db *sql.DB, to int, script string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var now int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err != nil || now >= to {
		return err
	}
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", to)); err != nil {
		return err
	}
	return tx.Commit()
}

// querier is a database, connection or transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// insertPlanKey keeps the key for plans that is there already.
const insertPlanKey = "INSERT INTO meta VALUES ('plan_key', ?) ON CONFLICT (key) DO NOTHING"

func newPlanKey() string { return hex.EncodeToString(state.NewPlanKey()) }

// readOrigin reads what was made together with the database. One that an older
// dkimbot made has no key for plans.
func readOrigin(ctx context.Context, q querier, path string) (made origin, err error) {
	var key sql.NullString
	err = q.QueryRowContext(ctx, "SELECT l.value, (SELECT value FROM meta WHERE key = 'plan_key') FROM meta l WHERE l.key = 'lineage'").Scan(&made.lineage, &key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return made, damaged(path, "open", errors.New("it has lost its lineage"))
	case err != nil || !key.Valid:
		return made, broken(path, "open", err)
	}
	if made.planKey, err = hex.DecodeString(key.String); err != nil || len(made.planKey) < 32 {
		return made, damaged(path, "open", errors.New("its key for plans is not as it was made"))
	}
	return made, nil
}
