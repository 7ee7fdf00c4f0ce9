package cli

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
)

// pulse watches a scheduler ask for what is due. It does so twice a minute at
// least; one that hangs, or whose state can't be read, ceases to.
type pulse struct {
	rotate.WorkQueue
	last atomic.Int64 // when it was answered last, in Unix seconds
}

// alive is how long after its last answer a scheduler is taken to live.
const alive = 2 * time.Minute

func (p *pulse) Due(ctx context.Context, now time.Time) ([]string, error) {
	due, err := p.WorkQueue.Due(ctx, now)
	if err == nil {
		p.last.Store(time.Now().Unix())
	}
	return due, err
}

func (p *pulse) beats() bool { return time.Since(time.Unix(p.last.Load(), 0)) < alive }

// told tells those whom the configuration names when err ended a command before
// any domain was taken in hand, and returns err.
func (p *program) told(cmd *cobra.Command, cfg *config.Config, err error) error {
	var (
		code  exitCode
		usage *usageError
	)
	if err == nil || errors.As(err, &code) || errors.As(err, &usage) || cmd.Context().Err() != nil {
		return err
	}
	if log, e := p.log(); e == nil {
		app.Tell(cfg, log, cmd.Name(), err)
	}
	return err
}
