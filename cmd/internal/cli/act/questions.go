package act

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/setup"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// questions asks a person at the terminal.
type questions struct {
	p   *console.Program
	in  *bufio.Reader
	may bool
}

// ask returns what a person says; an interruption and the end of input are errors.
func (q questions) ask(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(q.p.Err, prompt)
	type line struct {
		text string
		err  error
	}
	answer := make(chan line, 1)
	go func() {
		text, err := q.in.ReadString('\n')
		answer <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(q.p.Err)
		return "", ctx.Err()
	case said := <-answer:
		if said.err != nil {
			return "", fault.Lasting("read an answer", said.err,
				"nothing was written; run the command again, or give --dns and --set")
		}
		return said.text, nil
	}
}

// driver asks where DNS is; what the name servers of a domain point to is proposed.
func (q questions) driver(ctx context.Context, signers []found.Signer) (string, error) {
	all, guess := setup.Drivers(), ""
	fmt.Fprintln(q.p.Err, "\nWhere is the domains' DNS?")
	for _, s := range signers {
		if len(s.Domains) > 0 && guess == "" {
			var servers []string
			if servers, guess = setup.Guess(ctx, s.Domains[0].Name); len(servers) > 0 {
				fmt.Fprintf(q.p.Err, "%s is served by %s.\n", s.Domains[0].Name, strings.Join(servers, ", "))
			}
		}
	}
	for i, d := range all {
		fmt.Fprintf(q.p.Err, "  %d  %-11s %s\n", i+1, d[0], d[1])
	}
	prompt := "Number or name: "
	if guess != "" {
		prompt = "Number or name [" + guess + "]: "
	}
	for {
		said, err := q.ask(ctx, prompt)
		if err != nil {
			return "", err
		}
		if said == "" {
			said = guess
		}
		for i, d := range all {
			if said == d[0] || said == fmt.Sprint(i+1) {
				return d[0], nil
			}
		}
	}
}

// fill asks until the account has the key that is missing.
func (q questions) fill(ctx context.Context, a *setup.Account, m setup.Question) error {
	fmt.Fprintf(q.p.Err, "\n%s: %s.\n", m.Key, m.Meaning)
	for {
		said, err := q.ask(ctx, m.Key+": ")
		if err != nil {
			return err
		}
		if said == "" {
			fmt.Fprintln(q.p.Err, m.Need)
			continue
		}
		if err = a.Set(m.Key, said); err == nil {
			return nil
		}
		fmt.Fprintln(q.p.Err, err)
	}
}
