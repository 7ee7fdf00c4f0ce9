package act

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/inspect"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// rotateFlags is what the command line says of a rotation.
type rotateFlags struct {
	domains, selectors          []string
	due, dryRun, wait, detailed bool
	compromised, all, revokeNow bool
	everyKey                    bool
	replaceStandby              bool
	changeSelectors             bool
	yes                         bool
	out                         string
	ignore                      *rotate.Ignore
}

// rotateHelp says what each kind of rotation does.
const rotateHelp = `Start rotations, or continue those in progress; never shorten a wait.

With --domain, a domain that is ready starts a rotation now, whatever the schedule says. A
domain with a rotation in progress continues it. A domain that is new gets its two keys and
starts to sign.

With --due, takes every step that is due, for all domains, and starts no rotation ahead of
its schedule. This is the command for cron and timers.

With --compromised, somebody else may have a private key. All signers switch to the other
key now. The compromised key is revoked in DNS (an empty p=) and destroyed in the keystore,
and a fresh one takes its place. Mail in flight that was signed with it fails. The key is
the one that signs, unless --selector names another; --every-key means all keys of the
domain, also those of selectors that it had before. For a day after signers have left a key,
name the selector: else the command, given twice, would be of the good key they came to.
'dkimbot rotate --due' and the daemon retry what can't be done at once. A key is revoked as
soon as one signer has left it. --revoke-now does not wait for that, and all mail fails until
a signer is switched. The exit code is 1 while a key is not revoked, also where that only
waits: the output says for what, and until when.

With --replace-standby, the standby gets a fresh key, as soon as no mail can need the present
one, and no rotation starts. Use it after 'key' was changed in the policy: else the next
rotation leads to a key of the old kind. The next rotation waits for settle again.

With --change-selectors, a domain that is ready moves over to the selectors that its policy
now names. Keys are made and published there first; then the signers are given one. The old
records stay: mail in flight is verified. When it has arrived you remove them, and the old
private keys are destroyed. 'dkimbot rollback' leads back until then. See dkimbot-changes(7).

Stays for waits of up to a minute; with --wait, of up to an hour. Ctrl-C finishes the step
in progress. Run the same command again to continue.`

// Rotate returns the command "rotate".
func Rotate(p *console.Program) *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate {--domain D... | --due | --compromised ...}",
		Short: "Start rotations, or continue those in progress; never shorten a wait",
		Long:  rotateHelp,
		Example: `  dkimbot rotate --domain example.com --dry-run   # show what would be done
  dkimbot rotate --domain example.com --wait
  dkimbot rotate --due                            # every quarter of an hour, from cron or a timer
  dkimbot rotate --domain example.com --compromised
  dkimbot rotate --all --compromised --every-key   # somebody has copied the keystore`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return console.Wrong(cmd, err)
			}
			r, chosen, err := begin(p, cmd, f.domains, console.Choose)
			if err != nil {
				return err
			}
			req := f.request()
			if f.dryRun {
				req.Approved = f.out != ""
				return inspect.Planning{Program: p, Request: req, Form: p.PlanForm(), File: f.out, Detailed: f.detailed,
					Due: f.due}.Show(cmd.Context(), r.cfg, chosen)
			}
			if f.compromised && f.all && !f.yes {
				if err := p.Ask(cmd.Context(), leaveAll(len(chosen))); err != nil {
					return err
				}
			}
			r.leaves, r.everywhere = f.compromised, f.compromised && f.all
			return r.refused(r.settle(chosen, req, f.due, patienceOf(f.wait)))
		},
	}
	f.add(cmd.Flags())
	f.ignore = ignoreFlags(cmd)
	p.JSONFlag(cmd)
	return cmd
}

// add adds the command's own flags to fl.
func (f *rotateFlags) add(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.domains, "domain", nil, "start or continue a rotation of this `domain`; may be repeated")
	fl.BoolVar(&f.due, "due", false, "take every step that is due, for all domains")
	fl.BoolVar(&f.compromised, "compromised", false,
		"somebody else may have the key: leave it now, revoke and destroy it")
	fl.StringArrayVar(&f.selectors, "selector", nil, "with --compromised: the key at this `selector`; may be repeated")
	fl.BoolVar(&f.everyKey, "every-key", false,
		"with --compromised: all keys of the domain, also at selectors that it had before")
	fl.BoolVar(&f.all, "all", false, "with --compromised: the keys of all domains")
	fl.BoolVar(&f.yes, "yes", false, "with --all: do not ask first, also on a terminal")
	fl.BoolVar(&f.revokeNow, "revoke-now", false, "with --compromised: revoke the key before any signer has left it")
	fl.BoolVar(&f.replaceStandby, "replace-standby", false, "give the standby a fresh key, of the kind that the policy names")
	fl.BoolVar(&f.changeSelectors, "change-selectors", false, "move over to the selectors that the policy now names")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show the plan and do nothing")
	fl.StringVar(&f.out, "out", "", "with --dry-run: also write the plan to `FILE`, for 'dkimbot apply'")
	fl.BoolVar(&f.wait, "wait", false, "stay for waits of up to an hour, and retry what may pass by itself")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "with --dry-run: exit with 2 when changes are pending")
}

// check finds flags that don't go together.
func (f *rotateFlags) check() (err error) {
	switch {
	case !f.compromised && (f.all || f.revokeNow || f.everyKey || len(f.selectors) > 0):
		return errors.New("--all, --every-key, --selector and --revoke-now say which keys are compromised: " +
			"they need --compromised")
	case f.everyKey && len(f.selectors) > 0:
		return errors.New("--every-key means the keys at all selectors: give it without --selector")
	case f.yes && !f.all:
		return errors.New("--yes answers what --compromised --all asks: it needs both")
	case f.replaceStandby && (f.compromised || f.due):
		return errors.New("--replace-standby replaces a key that nothing signs with: it needs --domain, and neither --due " +
			"nor --compromised")
	case f.changeSelectors && (f.compromised || f.due || f.replaceStandby):
		return errors.New("--change-selectors moves a domain over to other selectors: it needs --domain, and neither --due, " +
			"--compromised nor --replace-standby")
	case f.compromised && f.due:
		return errors.New("--due takes steps by schedule: with --compromised, name domains, or --all")
	case f.compromised && f.all == (len(f.domains) > 0):
		return errors.New("--compromised needs either --domain or --all")
	case !f.compromised && f.due == (len(f.domains) > 0):
		return errors.New("rotate needs either --domain or --due")
	case f.detailed && !f.dryRun:
		return errors.New("--detailed-exitcode says whether a plan has steps: it needs --dry-run")
	case f.out != "" && !f.dryRun:
		return errors.New("--out saves a plan instead of carrying it out: it needs --dry-run")
	case f.out != "" && f.compromised:
		return errors.New("--out saves a plan for later, and a compromised key can't wait: carry it out without --dry-run")
	}
	for i, s := range f.selectors {
		if f.selectors[i], err = dkim.ParseSelector(s); err != nil {
			return fmt.Errorf("--selector: %w", err)
		}
	}
	return nil
}

// request returns what is asked of the domains.
func (f *rotateFlags) request() rotate.Request {
	req := rotate.Request{Named: !f.due, Ignore: *f.ignore}
	switch {
	case f.compromised:
		req.Instruction = rotate.Compromised{Selectors: f.selectors, EveryKey: f.everyKey, RevokeNow: f.revokeNow}
	case f.replaceStandby:
		req.Instruction = rotate.Renew{}
	case f.changeSelectors:
		req.Instruction = rotate.ChangeSelectors{}
	default:
		req.Asked = !f.due
	}
	return req
}

// leaveAll is what is asked before the keys of all domains are given up.
func leaveAll(domains int) string {
	return fmt.Sprintf("Every signer of %s leaves the compromised keys now; they are revoked and destroyed, and mail in "+
		"flight that was signed with them fails.\n'dkimbot rotate --compromised --all --dry-run' shows each step. ",
		report.Count(domains, "domain"))
}
