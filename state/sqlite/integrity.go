package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// InPlace returns why the file that is open is not the one that counts, nil if it is: it is missing, or another file
// stands in its place, so that what is written is lost, or it holds no database any more. It looks at its name and its
// beginning.
func (s *Store) InPlace() error {
	if err := s.stands(); err != nil {
		return err
	}
	// SQLite reads it, since a file that is opened and closed beside it loses SQLite's locks
	db, err := sql.Open("sqlite", dsn(s.path, "mode=ro"))
	if err != nil {
		return nil // Intact says why
	}
	defer db.Close()
	var version int
	err = broken(s.path, "read", db.QueryRow("PRAGMA schema_version").Scan(&version))
	if fault.CodeOf(err) == codes.DamagedState {
		return err
	}
	return nil
}

// stands returns why the name of the database does not lead to the open file, nil if it does. Nothing is read or
// written then: a connection that is opened later would have the other file, whose leases and states are others.
func (s *Store) stands() error {
	now, err := os.Stat(s.path)
	if err != nil {
		return fault.Lasting("find the state database "+s.path, err,
			"put it back where it was, or see dkimbot-recovery(7); then start the daemon again")
	}
	if !os.SameFile(s.file, now) {
		return fault.Lasting("find the state database "+s.path,
			errors.New("another file took its place after it was opened; what is written to the open one is lost"),
			"stop the daemon, put the right file there (dkimbot-recovery(7)), and start it again")
	}
	return nil
}

// Intact returns why the database can't be relied upon, nil if it can: it is not in its place; its pages don't fit
// together; or a state can't be read. It reads the file itself, by connections of its own: those that are open
// remember pages. It reads all of it.
func (s *Store) Intact(ctx context.Context) error {
	const attempt = "check the state database"
	if err := s.InPlace(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(s.path, "mode=ro"))
	if err != nil {
		return broken(s.path, attempt, err)
	}
	defer db.Close()
	if err := whole(ctx, db, s.path, attempt); err != nil {
		return broken(s.path, attempt, err)
	}
	fresh := reads{path: s.path, from: handleOf{db}}
	for _, err := range fresh.List(ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

// handleOf reads with one handle.
type handleOf struct{ db *sql.DB }

// handle implements source.
func (h handleOf) handle(context.Context) (*sql.DB, func() bool, error) {
	return h.db, func() bool { return true }, nil
}

// renew implements source.
func (handleOf) renew() {}
