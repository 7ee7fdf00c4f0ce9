package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Hook is a command that is run at an event, without a shell, with the event's
// Document on standard input and in its environment.
type Hook struct {
	Command []string
	Timeout time.Duration // then it is killed, with all that it started
}

// run runs the hook and says how it failed, with the last line of its standard error.
func (h Hook) run(ctx context.Context, d Document) error {
	input, err := json.Marshal(d)
	if err != nil {
		return err
	}
	res, err := child.Run(ctx, child.Program{Argv: h.Command, Env: d.environment(), Stdin: append(input, '\n'),
		Timeout: h.Timeout})
	switch exit := (*exec.ExitError)(nil); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("hook %s was killed: %w", h.Command[0], ctx.Err())
	case errors.Is(err, child.ErrTimeout):
		err = fmt.Errorf("hook %s was not done within %s and was killed", h.Command[0], h.Timeout)
	case errors.As(err, &exit) && exit.Exited():
		err = fmt.Errorf("hook %s ended with status %d", h.Command[0], exit.ExitCode())
	case errors.As(err, &exit):
		err = fmt.Errorf("hook %s was ended by a signal (%s)", h.Command[0], exit.Sys().(syscall.WaitStatus).Signal())
	default:
		return fmt.Errorf("hook %s can't be run: %w", h.Command[0], err)
	}
	if said := lastLine(string(res.Stderr)); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// lastLine returns the last line that a program wrote, cut to a decent length.
func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return oneLine(fmt.Sprintf("%.300s", strings.TrimSpace(lines[len(lines)-1])))
}

// consent asks one hook after the other, until one objects.
func consent(ctx context.Context, hooks []Hook, d Document) error {
	for _, h := range hooks {
		err := h.run(ctx, d)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("hook %s did not answer in time", h.Command[0])
		}
		if err != nil {
			return veto(d, err)
		}
	}
	return nil
}

// veto says that a switch must not begin, and that this does no harm.
func veto(d Document, err error) error {
	hint := "nothing was changed"
	if d.Previous != "" {
		hint += ", and " + d.Previous + " continues signing"
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.Vetoed, Err: err,
		What: fmt.Sprintf("switch %s to %s", d.Domain, d.Selector),
		Hint: hint + "; the hook is asked again when the schedule makes the switch due, or the same command is run again. " +
			"To switch without this hook, take it out of notify.hooks.before_switch"}
}
