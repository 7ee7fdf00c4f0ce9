package app

import (
	"context"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// Backup copies the state to a new file, also while other processes work.
func Backup(ctx context.Context, cfg *config.Config, to string) (sqlite.Copied, error) {
	return sqlite.Backup(ctx, cfg.State.Path, to)
}

// Restore makes the state of a copy, where there is none.
func Restore(ctx context.Context, cfg *config.Config, from string) (sqlite.Copied, error) {
	if err := makeStateDir(cfg.State.Path); err != nil {
		return sqlite.Copied{}, err
	}
	return sqlite.Restore(ctx, from, cfg.State.Path)
}
