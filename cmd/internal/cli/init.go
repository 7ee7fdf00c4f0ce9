package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/setup"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// initFlags is what the command line says of a first configuration.
type initFlags struct {
	dns, out, root string
	set            []string
	at             setup.Places
}

func (p *program) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [--dns DRIVER [--set KEY=VALUE]...] [--out FILE]",
		Short: "Write a first configuration from what is found on this host",
		Long: `Write a first configuration from what is found on this host.

Looks for OpenDKIM, Exim and rspamd: how they are set up, and the domains, selectors and
keys that they sign with. Where the domains' DNS is can't be found out: on a terminal you
are asked, elsewhere give --dns and what that driver needs by --set.

The configuration is valid when it is written; what is not is told, and nothing is written. The
domains stand in it as comments, each with the selector and key that it is signed with today
and the command that keeps them. Where a program has to be set up otherwise first, such as an
OpenDKIM with one key and without tables, how to do that stands there, too.

Nothing else is changed. A file that is there already is never overwritten.

DNS drivers:
` + driverList(),
		Example: `  dkimbot init
  dkimbot init --dns cloudflare --set api_token_file=/etc/dkimbot/cloudflare.token
  dkimbot init --dns rfc2136 --set server=192.0.2.1:53 --set key_name=dkimbot. --set key_file=/etc/dkimbot/tsig.secret
  dkimbot init --dns route53 --out -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.out == "" {
				f.out = p.config
			}
			return p.init(cmd, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dns, "dns", "", "the `DRIVER` of the DNS account")
	fl.StringArrayVar(&f.set, "set", nil, "a key of the DNS account and its value, as `KEY=VALUE`; may be repeated")
	fl.StringVar(&f.out, "out", "", "write to `FILE`, or - for standard output; else to the file that --config names")
	fl.StringVar(&f.root, "root", "/", "look at the files below `DIR`, a copy of a host's")
	fl.StringVar(&f.at.State, "state", "/var/lib/dkimbot/state.db", "where the state is to be, as a `FILE`")
	fl.StringVar(&f.at.Keys, "keys", "/var/lib/dkimbot/keys", "where the private keys are to be, as a `DIR`")
	return cmd
}

func driverList() string {
	var b strings.Builder
	for _, d := range setup.Drivers() {
		meaning, _, _ := strings.Cut(d[1], ";")
		fmt.Fprintf(&b, "  %-11s %s\n", d[0], meaning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (p *program) init(cmd *cobra.Command, f initFlags) error {
	if _, err := os.Lstat(f.out); err == nil && f.out != "-" {
		return fault.Lasting("write "+f.out, errors.New("it is there already"),
			"it stays as it is; name another file by --out, read it, and put it in the place of this one; --out - only shows it")
	}
	ctx := cmd.Context()
	signers := setup.Find(ctx, setup.At(f.root))
	p.showFound(signers)
	account, err := p.account(cmd, f, signers)
	if err != nil {
		return err
	}
	text, err := setup.Configuration(f.at, account, signers)
	if err != nil {
		return err
	}
	if f.out == "-" {
		_, err := fmt.Fprint(p.Out, text)
		return err
	}
	if err := writeConfiguration(f.out, text); err != nil {
		return err
	}
	return p.showNext(f.out, signers)
}

// writeConfiguration puts a configuration that is valid at a path where nothing is.
func writeConfiguration(path, text string) error {
	d, name, err := safefile.Parent(path)
	if err != nil {
		return fault.Lasting("write "+path, err, "make the directory first: mkdir -p "+filepath.Dir(path))
	}
	defer d.Close()
	file, err := d.Create(name, safefile.Ours(0o644))
	if err != nil {
		return unmade(path, err)
	}
	defer file.Discard()
	if _, err := file.WriteString(text); err != nil {
		return unmade(path, err)
	}
	_, err = config.Load(file.Name())
	if bad := (config.Errors)(nil); errors.As(err, &bad) {
		for i := range bad {
			bad[i].File = path // where it would stand
		}
		return bad
	}
	if err != nil {
		return err
	}
	if err := file.Link(); err != nil {
		return unmade(path, err)
	}
	return nil
}

func unmade(path string, err error) error {
	return fault.Lasting("write "+path, err,
		"make room and give yourself the right to write there, or name another file by --out")
}

// account makes the DNS account from flags and, on a terminal, from answers.
func (p *program) account(cmd *cobra.Command, f initFlags, signers []setup.Signer) (*setup.Account, error) {
	q := questions{p: p, in: bufio.NewReader(p.In), may: p.InTTY && p.ErrTTY}
	wrong := func(err error) error { return &usageError{error: err, command: cmd.CommandPath()} }
	if f.dns == "" {
		if !q.may {
			return nil, wrong(errors.New("there is no terminal to ask at: --dns says where the domains' DNS is"))
		}
		var err error
		if f.dns, err = q.driver(cmd.Context(), signers); err != nil {
			return nil, err
		}
	}
	account, err := setup.NewAccount(f.dns, f.set)
	if err != nil {
		return nil, wrong(err)
	}
	for _, missing := range account.Missing() {
		if !q.may {
			return nil, wrong(fmt.Errorf("--dns %s needs --set %s=...: %s", f.dns, missing.Key, missing.Meaning))
		}
		if err := q.fill(cmd.Context(), account, missing); err != nil {
			return nil, err
		}
	}
	return account, nil
}

// questions asks a person at the terminal.
type questions struct {
	p   *program
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
func (q questions) driver(ctx context.Context, signers []setup.Signer) (string, error) {
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

// showFound says what signs mail on the host.
func (p *program) showFound(signers []setup.Signer) {
	if len(signers) == 0 {
		fmt.Fprintln(p.Err, "No program that signs mail was found on this host.")
	}
	for _, s := range signers {
		fmt.Fprintf(p.Err, "%s in %s signs for %s.\n", s.Program, show.Visible(s.From),
			report.Count(len(s.Domains), "domain"))
		for _, remark := range s.Remarks {
			fmt.Fprintf(p.Err, "  %s\n", show.Visible(remark))
		}
	}
}

// showNext says what to do with the configuration that was written.
func (p *program) showNext(path string, signers []setup.Signer) error {
	out := p.Out
	fmt.Fprintf(out, "%s is written; nothing else was changed. Next:\n", path)
	for _, s := range signers {
		if len(s.Before) > 0 {
			fmt.Fprintf(out, "- %s has to be set up otherwise first. The commands stand in the file, and here:\n", s.Program)
			for _, step := range s.Before {
				fmt.Fprintf(out, "    %s\n", show.Visible(step))
			}
		}
	}
	for _, step := range []string{
		"read the file, and take the # from the domains that dkimbot is to rotate",
		"'dkimbot validate' checks the file, 'dkimbot check' asks every part that it names",
		"'dkimbot plan' says what would happen, 'dkimbot rotate --domain D --wait' does it",
	} {
		if _, err := fmt.Fprintf(out, "- %s\n", step); err != nil {
			return err
		}
	}
	return nil
}
