package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// leaveAll is what is asked before the keys of all domains are given up.
func leaveAll(domains int) string {
	return fmt.Sprintf("Every signer of %s leaves the compromised keys now; they are revoked and destroyed, and mail in "+
		"flight that was signed with them fails.\n'dkimbot rotate --compromised --all --dry-run' shows each step. ",
		report.Count(domains, "domain"))
}

// ask returns nil if a person at a terminal says yes, or if there is no terminal to ask at. Ctrl-C
// says no.
func (p *program) ask(ctx context.Context, what string) error {
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
