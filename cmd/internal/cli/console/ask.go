package console

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Ask returns nil if a person at a terminal says yes, or if there is no terminal to ask at. Ctrl-C
// says no.
func (p *Program) Ask(ctx context.Context, what string) error {
	if !p.InTTY || !p.ErrTTY {
		return nil
	}
	fmt.Fprint(p.Err, what+"Continue? [yes/no] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.In).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.Err)
		return ctx.Err()
	case said := <-answer:
		if said == "yes" || said == "y" {
			return nil
		}
	}
	return fault.Lasting("rotate all domains: the answer was not yes", nil,
		"nothing was changed; answer yes, or add --yes, which does not ask")
}
