package zonefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const defaultReloadTimeout = 30 * time.Second

// A change and the reload that it asks for leave two kinds of file in the
// directory, so that neither a crash nor a failed command forgets a reload
// (invariant I7):
//
//   - begun, one a zone, stands from before the zone file is replaced until the
//     reload is noted as due. It is only touched under the zone's lock.
//   - due, with a name of its own each time, stands until a reload that started
//     after it was made has succeeded. Whoever reloads removes those it saw before.
const (
	begunPrefix = ".dkimbot-begun-"
	duePrefix   = ".dkimbot-reload-"
)

// beginReload records durably that the zone's file is about to change.
func (p *Provider) beginReload(zone string) error {
	if len(p.Reload) == 0 {
		return nil
	}
	// What is there already, also a link, notes the same.
	f, err := os.OpenFile(filepath.Join(p.Dir, begunPrefix+zone), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o644)
	if err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(p.Dir)
}

// noteReload turns the zone's begun, if there is one, into a due.
func (p *Provider) noteReload(zone string) error {
	begun := filepath.Join(p.Dir, begunPrefix+zone)
	if _, err := os.Lstat(begun); errors.Is(err, fs.ErrNotExist) || len(p.Reload) == 0 {
		return nil
	}
	due, err := os.CreateTemp(p.Dir, duePrefix+"*")
	if err != nil {
		return err
	}
	due.Close()
	if err := syncDir(p.Dir); err != nil {
		return err
	}
	return os.Remove(begun)
}

// reload runs the reload command if one is due. Callers that arrive while it
// runs share the next run.
func (p *Provider) reload(ctx context.Context, what string) error {
	if len(p.Reload) == 0 {
		return nil
	}
	if due, err := p.reloadsDue(); err != nil || len(due) == 0 {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(p.Dir, ".dkimbot-reloading.lock"))
	if err != nil {
		return ioFault(what, err)
	}
	defer unlock()
	due, err := p.reloadsDue()
	if err != nil || len(due) == 0 {
		return err
	}
	if err := p.runReload(ctx); err != nil {
		return reloadFault(what, p.Reload[0], err)
	}
	for _, note := range due {
		if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ioFault(what, err)
		}
	}
	return nil
}

func (p *Provider) reloadsDue() ([]string, error) {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return nil, ioFault("look for reloads that are due", err)
	}
	var due []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), duePrefix) {
			due = append(due, filepath.Join(p.Dir, e.Name()))
		}
	}
	return due, nil
}

// runReload runs the command without this process's secrets. At the time-out all that it has started
// is killed with it, except a name server that it has let go of: that one shall go on answering.
func (p *Provider) runReload(ctx context.Context) error {
	timeout := cmp.Or(p.ReloadTimeout, defaultReloadTimeout)
	res, err := child.Run(ctx, child.Program{Argv: p.Reload, Timeout: timeout, KeepsDaemons: true})
	switch {
	case errors.Is(err, child.ErrTooLong): // it ended well, and nobody reads what it wrote
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
	return fault.Temporary(what, err, "run the command by hand to see what is wrong; it is run again with the next attempt")
}
