package zonefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const defaultReloadTimeout = 30 * time.Second

// reload runs the reload command if one is due. Callers that arrive while it
// runs share the next run.
func (p *Provider) reload(ctx context.Context, what string, notes notes) error {
	if !notes.used {
		return nil
	}
	if due, err := notes.list(); err != nil || len(due) == 0 {
		return err
	}
	notes.LongestHold = cmp.Or(p.ReloadTimeout, defaultReloadTimeout) + 10*time.Second
	unlock, err := lock(ctx, notes.Dir, ".dkimbot-reloading.lock")
	if err != nil {
		return ioFault(what, err)
	}
	defer unlock()
	due, err := notes.list()
	if err != nil || len(due) == 0 {
		return err
	}
	if err := p.runReload(ctx); err != nil {
		return reloadFault(what, p.Reload[0], err)
	}
	for _, note := range due {
		if err := notes.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ioFault(what, err)
		}
	}
	return nil
}

// runReload runs the command without this process's secrets. At the time-out all that it has started
// is killed with it, except a name server that it detached: that one shall continue answering.
func (p *Provider) runReload(ctx context.Context) error {
	timeout := cmp.Or(p.ReloadTimeout, defaultReloadTimeout)
	res, err := child.Run(ctx, child.Program{Argv: p.Reload, Timeout: timeout, KeepsDaemons: true})
	switch {
	case errors.Is(err, child.ErrTooLong): // it ended well, and what it wrote is not needed
		return nil
	case errors.Is(err, child.ErrTimeout):
		return fmt.Errorf("not done after %v", timeout)
	case err == nil || ctx.Err() != nil:
		return err
	}
	if said := lastLine(res); said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// lastLine returns the last line that a command printed, cut to a decent length.
func lastLine(res child.Result) string {
	said := child.Tail(res.Stderr)
	if said == "" {
		said = child.Tail(res.Stdout)
	}
	lines := strings.Split(said, "\n")
	return strings.ToValidUTF8(fmt.Sprintf("%.200s", lines[len(lines)-1]), "?")
}

func reloadFault(what, command string, err error) error {
	what = fmt.Sprintf("%s: the zone file is written, but reload command %s", what, command)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fault.Lasting(what, err, "correct reload of the provider; it is run again with the next attempt")
	}
	return fault.Temporary(what, err,
		"run the command by hand to see what is wrong; it is run again with the next attempt")
}
