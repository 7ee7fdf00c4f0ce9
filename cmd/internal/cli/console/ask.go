package console

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Ask returns nil if a person at a terminal says yes, or if standard input is no terminal, as in a script. Ctrl-C
// says no. Where standard error leads elsewhere, standard output shows the question; where both do, no one could see
// it, and that is no yes.
func (p *Program) Ask(ctx context.Context, what string) error {
	to := p.Err
	switch {
	case !p.InTTY:
		return nil
	case !p.ErrTTY && p.OutTTY:
		to = p.Out
	case !p.ErrTTY:
		return fault.Lasting("rotate all domains: the terminal can't show the question", nil,
			"nothing was changed; let standard error be the terminal, or add --yes, which does not ask")
	}
	fmt.Fprint(to, what+"Continue? [yes/no] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.In).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(to)
		return ctx.Err()
	case said := <-answer:
		if said == "yes" || said == "y" {
			return nil
		}
	}
	return fault.Lasting("rotate all domains: the answer was not yes", nil,
		"nothing was changed; answer yes, or add --yes, which does not ask")
}
