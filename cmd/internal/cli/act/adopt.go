package act

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/inspect"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/keyimport"
	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// adoptFlags is what the command line says of an adoption.
type adoptFlags struct {
	domains, selectors, files []string
	all, keystore             bool
	named                     []*signerFiles
	layouts                   []existing.Layout // that drivers know
	vaultPath, layout, active string
	dryRun, detailed, wait    bool
	ignore                    *rotate.Ignore
}

// Adopt returns the command "adopt".
func Adopt(p *console.Program) *cobra.Command {
	var f adoptFlags
	drivers := config.Builtin().Signers()
	f.layouts = layoutsOfDrivers(drivers)
	cmd := &cobra.Command{
		Use:   "adopt {--domain D... | --all} {--key-file F --selector S | --from-...}",
		Short: "Take keys that are in use, and their records, under management",
		Long: `Take keys that are in use, and their records, under management.

A domain that signs today continues with the same key. dkimbot puts the key into the
keystore, makes a key for the domain's other selector, and gives the adopted key to the
signers. The policy must name the key's selector as one of its two. DNS must show the key's
record alone, on every server, and the signers must say that they use the key. A refusal
changes nothing.

From then on key and record belong to dkimbot. They are replaced after the next rotation,
like any other.

Where the keys are:

  --key-file F --selector S          in a PEM file, or - for standard input; both may be
                                     repeated, in pairs, to adopt both selectors
%FILES%  --from-vault PATH --layout L       where another system keeps them (%LAYOUTS%), in the Vault of
                                     the configuration's keystore; PATH is the mount and the path below it
  --from-keystore                    in dkimbot's own keystore, after its state was lost

To leave a key instead, for example a short one, do not adopt it. Name two other selectors
in the policy and run 'dkimbot rotate --domain D': it switches without a gap.`,
		Example: `  dkimbot adopt --domain example.com --selector mail --key-file /etc/dkimkeys/mail.private --dry-run
%FILES%  dkimbot adopt --domain example.com --from-vault secret/dkim --layout %LAYOUT%
  dkimbot adopt --all --from-keystore           # the state database is lost, the keys are not`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(p, cmd) },
	}
	f.add(cmd.Flags(), drivers)
	f.ignore = ignoreRules(cmd)
	p.JSONFlag(cmd)
	var files, examples string
	for _, named := range f.named {
		files, examples = files+named.synopsis(), examples+named.example()
	}
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("layout", cobra.FixedCompletions(
		strings.Split(layoutNames(f.layouts), " or "), cobra.ShellCompDirectiveNoFileComp)))
	cmd.Long = strings.NewReplacer("%FILES%", files, "%LAYOUTS%", layoutNames(f.layouts)).Replace(cmd.Long)
	cmd.Example = strings.NewReplacer("%FILES%", examples, "%LAYOUT%", f.layouts[0].Name).Replace(cmd.Example)
	return cmd
}

// add adds the command's own flags to fl.
func (f *adoptFlags) add(fl *pflag.FlagSet, drivers []signer.Settings) {
	fl.StringArrayVar(&f.domains, "domain", nil, "adopt keys of this `domain`; may be repeated")
	fl.BoolVar(&f.all, "all", false, "adopt keys of all domains of the configuration")
	fl.StringArrayVar(&f.selectors, "selector", nil,
		"the `selector` of a --key-file; else adopt only the key of this one; may be repeated")
	fl.StringArrayVar(&f.files, "key-file", nil, "a private key in PEM, in `FILE` or - for standard input")
	f.named = filesOfDrivers(drivers, fl)
	fl.StringVar(&f.vaultPath, "from-vault", "", "adopt keys that another system keeps below this `PATH` in Vault")
	fl.StringVar(&f.layout, "layout", "", "with --from-vault: which one, "+layoutNames(f.layouts))
	fl.BoolVar(&f.keystore, "from-keystore", false,
		"adopt what dkimbot's own keystore holds, after the state was lost")
	fl.StringVar(&f.active, "active", "", "the `selector` that signs now, if the signers can't say or differ")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and do nothing")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "with --dry-run: exit with 2 when changes are pending")
	fl.BoolVar(&f.wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
}

// run adopts what the flags name, or shows what would be adopted.
func (f *adoptFlags) run(p *console.Program, cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return console.Wrong(cmd, err)
	}
	r, domains, err := begin(p, cmd, f.domains, console.Choose)
	if err != nil {
		return err
	}
	req := rotate.Request{Named: true, Ignore: *f.ignore}
	source, err := f.source()
	if err != nil {
		return r.refused(err)
	}
	if f.dryRun {
		return r.planAdoption(domains, req, source, f.detailed)
	}
	return r.refused(r.adopt(domains, req, source, patienceOf(f.wait)))
}

// check finds flags that don't go together.
func (f *adoptFlags) check() error {
	sources := 0
	for _, given := range []bool{len(f.files) > 0, f.vaultPath != "", f.keystore} {
		if given {
			sources++
		}
	}
	from := "--key-file"
	for _, named := range f.named {
		if from += ", " + named.from(); named.isGiven() {
			sources++
		}
	}
	stdin := 0
	for _, file := range f.files {
		if file == "-" {
			stdin++
		}
	}
	switch {
	case f.all == (len(f.domains) > 0):
		return errors.New("adopt needs either --domain or --all")
	case sources != 1:
		return errors.New("adopt needs exactly one of " + from + ", --from-vault and --from-keystore")
	case len(f.files) > 0 && (f.all || len(f.domains) > 1):
		return errors.New("--key-file holds a key of one --domain")
	case len(f.files) > 0 && len(f.files) != len(f.selectors):
		return errors.New("each --key-file needs its --selector")
	case stdin > 1:
		return errors.New("standard input holds one key: one --key-file may be -")
	case (f.vaultPath != "") != (f.layout != ""):
		return errors.New("--from-vault and --layout need each other")
	case f.layout != "" && f.kind() < 0:
		return errors.New("--layout " + f.layout + " is unknown: use " + layoutNames(f.layouts))
	case f.detailed && !f.dryRun:
		return errors.New("--detailed-exitcode says whether a plan has steps: it needs --dry-run")
	}
	for _, named := range f.named {
		if err := named.check(); err != nil {
			return err
		}
	}
	return f.checkSelectors()
}

// kind returns where the layout that is given stands among those that are known; -1 for nowhere.
func (f *adoptFlags) kind() int {
	return slices.IndexFunc(f.layouts, func(l existing.Layout) bool { return l.Name == f.layout })
}

// checkSelectors brings selectors into their normal form.
func (f *adoptFlags) checkSelectors() (err error) {
	for i, s := range f.selectors {
		if f.selectors[i], err = dkim.ParseSelector(s); err != nil {
			return fmt.Errorf("--selector: %w", err)
		}
	}
	if f.active != "" {
		if f.active, err = dkim.ParseSelector(f.active); err != nil {
			return fmt.Errorf("--active: %w", err)
		}
	}
	return nil
}

// source opens what the flags name.
func (f *adoptFlags) source() (s keyimport.Source, err error) {
	s = keyimport.Source{Keystore: f.keystore, Active: f.active}
	if len(f.files) > 0 {
		for i, path := range f.files {
			s.Files = append(s.Files, keyimport.File{Selector: f.selectors[i], Path: path, In: os.Stdin})
		}
		return s, nil
	}
	for _, named := range f.named {
		if !named.isGiven() {
			continue
		}
		if s.Named, err = named.Open(named.given); err != nil {
			return s, err
		}
		s.Where = named.Where
	}
	if f.vaultPath != "" {
		s.Vault = &keyimport.Layout{Path: f.vaultPath, Kind: f.layouts[f.kind()]}
	}
	s.Selectors = f.selectors
	return s, nil
}

// adopt takes keys of the domains under management.
func (r run) adopt(domains []rotate.Domain, req rotate.Request, source keyimport.Source,
	patience engine.Patience) error {
	s, err := r.Open(r.cmd, r.cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	var results []engine.Result
	s.Progress.Expect(domains)
	err = s.Adopt(r.cmd.Context(), app.Adoption{Domains: domains, Request: req, Source: source, Patience: patience},
		s.Progress.Waiting, s.Into(&results, show.Text.Result))
	s.Progress.Stop()
	if err != nil {
		return err
	}
	return r.end(s, results, domains, console.Others{})
}

// planAdoption shows what adopt would do.
func (r run) planAdoption(domains []rotate.Domain, req rotate.Request, source keyimport.Source, detailed bool) error {
	ctx := r.cmd.Context()
	a, err := app.OpenReadOnly(ctx, r.cfg, time.Time{})
	if err != nil {
		return err
	}
	defer a.Close()
	plans, err := a.PlanAdoption(ctx, domains, req, source)
	if ctx.Err() != nil {
		return r.Unchanged()
	}
	if err != nil {
		return err
	}
	now := time.Now()
	about := planfile.Context{Created: now, For: now, ConfigSHA256: r.cfg.Digest(), Lineage: a.Lineage, Key: a.PlanKey}
	shown := inspect.Planning{Program: r.Program, Form: r.PlanForm()}
	if err := shown.Print(planfile.New(about, plans), plans); err != nil {
		return err
	}
	return inspect.PlanExit(plans, console.Others{}, detailed)
}
