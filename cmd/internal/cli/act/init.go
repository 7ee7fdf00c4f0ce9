package act

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/setup"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// initial is a first configuration, as the command line says it is to be.
type initial struct {
	*console.Program
	dns, out, root string
	set            []string
	at             setup.Places
}

// Init returns the command "init".
func Init(p *console.Program) *cobra.Command {
	f := initial{Program: p}
	cmd := &cobra.Command{
		Use:   "init [--dns DRIVER [--set KEY=VALUE]...] [--out FILE]",
		Short: "Write a first configuration from what is found on this host",
		Long: `Write a first configuration from what is found on this host.

Looks for programs that sign mail: how they are set up, and the domains, selectors and keys
that they sign with. Where the domains' DNS is can't be found out: on a terminal you are
asked, elsewhere give --dns and what that driver needs by --set.

The configuration is valid when it is written; what is not is reported, and nothing is written. The
domains stand in it as comments, each with the selector and key that it is signed with today
and the command that keeps them. Where a program has to be set up otherwise first, such as one
with a single key for all domains, how to do that stands there, too.

Nothing else is changed. A file that is there already is never overwritten.

Programs that are looked for:
` + programList() + `

DNS drivers:
` + driverList(),
		Example: `  dkimbot init
  dkimbot init --dns cloudflare --set api_token_file=/etc/dkimbot/cloudflare.token
  dkimbot init --dns rfc2136 --set server=192.0.2.1:53 --set key_name=dkimbot. --set key_file=/etc/dkimbot/tsig.secret
  dkimbot init --dns route53 --out -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.out == "" {
				f.out = p.ConfigPath
			}
			return f.make(cmd)
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

// programList lists what the drivers of signers find.
func programList() string {
	var all []string
	for _, d := range config.Builtin().Signers() {
		if finder, ok := d.(found.Finder); ok {
			all = append(all, finder.Programs()...)
		}
	}
	return "  " + strings.Join(all, ", ")
}

func driverList() string {
	var b strings.Builder
	for _, d := range setup.Drivers() {
		meaning, _, _ := strings.Cut(d[1], ";")
		fmt.Fprintf(&b, "  %-11s %s\n", d[0], meaning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// make finds out what is on the host, and writes the configuration.
func (f initial) make(cmd *cobra.Command) error {
	if _, err := os.Lstat(f.out); err == nil && f.out != "-" {
		return fault.Lasting("write "+f.out, errors.New("it is there already"),
			"it stays as it is; name another file by --out, read it, and put it in the place of this one; --out - only shows it")
	}
	if _, err := os.ReadDir(f.root); err != nil {
		return fault.Lasting("look for programs below "+f.root, err,
			"name the directory with the copy of the host's files by --root")
	}
	ctx := cmd.Context()
	signers := setup.Find(ctx, found.At(f.root), config.Builtin().Signers())
	f.showFound(signers)
	account, err := f.account(cmd, signers)
	if err != nil {
		return err
	}
	text, err := setup.Configuration(f.at, account, signers)
	if err != nil {
		return err
	}
	if f.out == "-" {
		_, err := fmt.Fprint(f.Out, text)
		return err
	}
	if err := writeConfiguration(f.out, text); err != nil {
		return err
	}
	return f.showNext(f.out, signers)
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
func (f initial) account(cmd *cobra.Command, signers []found.Signer) (*setup.Account, error) {
	q := questions{p: f.Program, in: bufio.NewReader(f.In), may: f.InTTY && f.ErrTTY}
	wrong := func(err error) error { return console.Wrong(cmd, err) }
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

// showFound says what signs mail on the host.
func (f initial) showFound(signers []found.Signer) {
	if len(signers) == 0 {
		fmt.Fprintln(f.Err, "No program that signs mail was found on this host.")
	}
	for _, s := range signers {
		fmt.Fprintf(f.Err, "%s in %s signs for %s.\n", s.Program, screen.Visible(s.From),
			report.Count(len(s.Domains), "domain"))
		for _, remark := range s.Remarks {
			fmt.Fprintf(f.Err, "  %s\n", screen.Visible(remark))
		}
	}
}

// showNext says what to do with the configuration that was written.
func (f initial) showNext(path string, signers []found.Signer) error {
	out := f.Out
	fmt.Fprintf(out, "%s is written; nothing else was changed. Next:\n", path)
	for _, s := range signers {
		if len(s.Before) > 0 {
			fmt.Fprintf(out, "- %s has to be set up otherwise first. The commands stand in the file, and here:\n", s.Program)
			for _, step := range s.Before {
				fmt.Fprintf(out, "    %s\n", screen.Visible(step))
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
